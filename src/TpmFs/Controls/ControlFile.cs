using TpmFs.Clients;
using TpmFs.Fuse;
using TpmFs.Nodes;

namespace TpmFs.Controls;

/// <summary>
/// A file in which the daemon says something, or takes orders: root's, with permissions that nobody can change. Reading
/// and writing it waits for nothing.
/// </summary>
internal abstract class ControlFile(NodeTable table, uint mode, ControlContext context)
    : Node(table, NodeAccess.Fixed(mode, context.Owner.Uid, context.Owner.Gid))
{
    /// <summary>Everybody may read it.</summary>
    protected const uint Shown = 0b100_100_100;

    /// <summary>Everybody may read it, root may write it.</summary>
    protected const uint Settable = 0b110_100_100;

    /// <summary>For root, and those whom the file itself lets in.</summary>
    protected const uint Private = 0b110_000_000;

    private volatile bool _isGone;

    /// <summary>The domain that it was a file of is gone.</summary>
    public bool IsGone => _isGone;

    /// <summary>What it shares with the other control files.</summary>
    public ControlContext Context => context;

    public override NodeType Type => NodeType.Regular;

    public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = null;
        if (!context.TryOpen(caller.Uid))
        {
            return SpaceErrno.TooManyOpeners;
        }

        file = NewOpen(caller.Uid);
        return Errno.None;
    }

    public override void Removed()
    {
        base.Removed();
        _isGone = true;
    }

    /// <summary>Makes an open file description for a user.</summary>
    protected virtual ControlOpen NewOpen(uint uid) => new(this, uid);

    /// <summary>What a reader gets, made anew for each that reads from the start.</summary>
    public virtual string Content() => "";

    /// <summary>Takes one order: what one write(2) carried, without the newlines at its end.</summary>
    /// <param name="isFirst">Whether it is the first that this open takes.</param>
    public virtual Errno Take(string order, bool isFirst) => Errno.EINVAL;
}
