using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>Holds what <see cref="NodeTable"/> knows of one number. The table's lock guards it.</summary>
internal sealed class Inode(Node node)
{
    public Node Node { get; } = node;

    /// <summary>Gets the user whose lookup made the number; null for a node's own number.</summary>
    public uint? Uid { get; init; }

    /// <summary>True when further lookups of the same user get this number too.</summary>
    public bool IsShared { get; init; }

    /// <summary>
    /// True when nothing but the kernel's lookups keeps the number: the node was removed, or the number was made
    /// for a lookup.
    /// </summary>
    public bool IsUnlinked { get; set; }

    /// <summary>
    /// Gets or sets the number's record for the next daemon; null while the kernel does not know the number.
    /// </summary>
    public NumberRecord? Record { get; set; }

    /// <summary>Gets or sets the number of lookups of this number that the kernel holds.</summary>
    public ulong Lookups { get; set; }
}
