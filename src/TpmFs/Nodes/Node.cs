using TpmFs.Fuse;

namespace TpmFs.Nodes;

/// <summary>
/// Something with a name in the tree. A kind of node overrides what it offers; what it leaves alone answers as such a file does elsewhere.
/// All methods are called by several FUSE threads at once and must not block.
/// </summary>
internal abstract class Node
{
    private readonly DateTimeOffset made;

    protected Node(NodeTable table, Access access)
    {
        Id = table.Allocate();
        Access = access;
        made = table.Now;
    }

    public NodeId Id { get; }

    public Access Access { get; }

    public abstract NodeType Type { get; }

    public FuseAttributes Attributes =>
        new(Id, (uint)Type | Access.Mode, LinkCount, Access.Uid, Access.Gid, Size: 0, AccessTime: made, ModifyTime: made, ChangeTime: made);

    /// <summary>How often the kernel holds this node. Owned by <see cref="NodeTable"/>, under its lock.</summary>
    internal ulong Lookups { get; set; }

    protected virtual uint LinkCount => 1;

    /// <summary>A change of nothing succeeds; a node that takes some change says so itself.</summary>
    public virtual Errno SetAttributes(in FuseCaller caller, in FuseAttributeChange change) =>
        change is { Mode: null, Uid: null, Gid: null, Size: null, AccessTime: null, ModifyTime: null } ? Errno.None : Errno.EPERM;

    /// <summary>The child with a name, for whoever asks.</summary>
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

    /// <summary>Opens it; <paramref name="flags"/> are open(2)'s. The kernel has checked the permissions.</summary>
    public virtual Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = null;
        return Errno.EACCES;
    }

    public virtual Errno GetXattr(in FuseCaller caller, ReadOnlySpan<byte> name, FuseBytesReply value) => Errno.EOPNOTSUPP;

    public virtual Errno ListXattr(in FuseCaller caller, FuseBytesReply names) => Errno.None;

    public virtual Errno SetXattr(in FuseCaller caller, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags) => Errno.EOPNOTSUPP;

    public virtual Errno RemoveXattr(in FuseCaller caller, ReadOnlySpan<byte> name) => Errno.EOPNOTSUPP;
}
