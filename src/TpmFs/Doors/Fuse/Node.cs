using TpmFs.Clients;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// A file, link or directory of the tree. A kind of node overrides the operations that it offers; the others answer as
/// such a file does elsewhere. Several FUSE threads call all methods at once, and the methods must not block.
/// </summary>
internal abstract class Node
{
    private readonly DateTimeOffset _made;

    /// <param name="table">Gives the node its number.</param>
    /// <param name="access">The node's owner and permissions.</param>
    /// <param name="id">The node's number, where an earlier daemon has given it one.</param>
    protected Node(NodeTable table, NodeAccess access, NodeId? id = null)
    {
        Id = id ?? table.Allocate();
        Guard = access;
        _made = table.Now;
    }

    /// <summary>
    /// Gets or sets the node's number. Only the table sets it, before the kernel can know the number.
    /// </summary>
    public NodeId Id { get; internal set; }

    public Access Access => Guard.Current;

    public abstract NodeType Type { get; }

    public FuseAttributes Attributes
    {
        get
        {
            Access access = Access;
            return new FuseAttributes
            {
                Inode = Id.Value,
                Mode = (uint)Type | access.Mode | ModeOfType(access),
                LinkCount = LinkCount,
                Uid = access.Uid,
                Gid = access.Gid,
                Size = Size,
                AccessTime = _made,
                ModifyTime = _made,
                ChangeTime = _made,
            };
        }
    }

    /// <summary>
    /// Gets the node's place in the tree. It is empty for the root, and for a node that is in no directory.
    /// </summary>
    public virtual string Place => Parent is { } parent ? parent.PlaceOf(Name) : "";

    /// <summary>Gets the node's directory, and its name there. Set once, by that directory.</summary>
    internal Node? Parent { get; set; }

    internal string Name { get; set; } = "";

    /// <summary>Gets the node that has the name under which this one is found: this one itself, mostly.</summary>
    internal virtual Node Named => this;

    /// <summary>
    /// Gets the node that a domain's owner finds under this one's name; this one itself where there is no other.
    /// </summary>
    internal virtual Node OwnersNode => this;

    /// <summary>
    /// Gets the domain to whose share the doings of the node's users count (<see cref="Domain.Account"/>).
    /// </summary>
    internal virtual Domain? Account => Named.Parent?.Account;

    protected NodeAccess Guard { get; }

    protected virtual uint LinkCount => 1;

    /// <summary>Returns the bits of the shown mode that follow from the kind of node.</summary>
    protected virtual uint ModeOfType(Access access) => 0;

    /// <summary>Gets the size that stat(2) shows, in bytes.</summary>
    protected virtual ulong Size => 0;

    /// <summary>Returns the place of the child with a name.</summary>
    public string PlaceOf(string name) => Place is { Length: > 0 } place ? $"{place}/{name}" : name;

    /// <summary>Returns the node that a user finds under this node's name; null when that user finds none.</summary>
    public virtual Node? VisibleTo(in FuseCaller caller) => this;

    /// <summary>
    /// Modes and owners change where the node's access can be; truncation (a shell's &gt;) and times are taken and
    /// ignored, as on a device.
    /// </summary>
    public virtual Errno SetAttributes(in FuseCaller caller, in FuseAttributeChange change)
    {
        (uint? mode, uint? uid, uint? gid) = (change.Mode, change.Uid, change.Gid);
        return mode is null && uid is null && gid is null
            ? Errno.None
            : Guard.Change(
                access =>
                    access.WithMode(mode ?? access.Mode) with { Uid = uid ?? access.Uid, Gid = gid ?? access.Gid });
    }

    /// <summary>Returns the child with a name, as the caller finds it.</summary>
    public virtual Errno Find(in FuseCaller caller, ReadOnlySpan<byte> name, out Node? child)
    {
        child = null;
        return Errno.ENOTDIR;
    }

    public virtual Errno List(in FuseCaller caller, ulong offset, FuseDirectoryReply entries) => Errno.ENOTDIR;

    public virtual Errno MakeDirectory(in FuseCaller caller, ReadOnlySpan<byte> name, uint mode, out Node? made)
    {
        made = null;
        return Errno.EPERM;
    }

    public virtual Errno RemoveDirectory(in FuseCaller caller, ReadOnlySpan<byte> name) => Errno.EPERM;

    public virtual Errno ReadLink(in FuseCaller caller, FuseBytesReply target) => Errno.EINVAL;

    /// <summary>
    /// Opens the node; <paramref name="flags"/> are open(2)'s. The kernel has checked the permissions.
    /// </summary>
    public virtual Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = null;
        return Errno.EACCES;
    }

    public Errno GetXattr(in FuseCaller caller, ReadOnlySpan<byte> name, FuseBytesReply value) =>
        AclXattr.Get(Guard, name, value);

    public Errno ListXattr(in FuseCaller caller, FuseBytesReply names) => AclXattr.List(Guard, names);

    public virtual Errno SetXattr(
        in FuseCaller caller, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags) =>
            AclXattr.Set(Guard, name, value, flags);

    public Errno RemoveXattr(in FuseCaller caller, ReadOnlySpan<byte> name) => AclXattr.Remove(Guard, name);

    /// <summary>Learns that the node was taken out of the tree, for good. Its domain ends the open files.</summary>
    public virtual void Removed() => Guard.Retire();

    /// <summary>
    /// Drops the changes that were made at run time to the node, and to nodes below it: they are as configured again.
    /// </summary>
    /// <param name="audit">Learns of each change.</param>
    public virtual void Reset(Audit audit)
    {
        if (Guard.Reset())
        {
            audit.AccessChanged(Place, Access, Errno.None);
        }
    }
}
