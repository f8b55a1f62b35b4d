using System.Text;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Tree.Controls;

/// <summary>
/// A file that shows something of the daemon, or takes orders. It is root's, with permissions that no user can change.
/// Reading and writing it waits for nothing.
/// </summary>
internal abstract class ControlFile(NodeTable table, uint mode, ControlContext context)
    : Node(table, NodeAccess.Fixed(mode, context.Owner.Uid, context.Owner.Gid))
{
    /// <summary>The permissions of a file that everybody may read.</summary>
    protected const uint Shown = 0b100_100_100;

    /// <summary>The permissions of a file that everybody may read and root may write.</summary>
    protected const uint Settable = 0b110_100_100;

    /// <summary>
    /// The permissions of a file that root, and the users that the file itself names, may read and write.
    /// </summary>
    protected const uint Private = 0b110_000_000;

    /// <summary>
    /// The greatest age of content that is shown again to a user who has had too much of it made. It bounds what a user
    /// who reads many files in turn has made: each of them once in this time.
    /// </summary>
    private static readonly TimeSpan s_lasts = TimeSpan.FromSeconds(10);

    /// <summary>The time below which content is made anew for everybody.</summary>
    private static readonly TimeSpan s_quick = TimeSpan.FromMilliseconds(0.2);

    private volatile bool _isGone;
    private volatile Snapshot? _last;

    /// <summary>True when the file's domain is gone.</summary>
    public bool IsGone => _isGone;

    /// <summary>Gets the part that it shares with the other control files.</summary>
    public ControlContext Context => context;

    public override NodeType Type => NodeType.Regular;

    public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = null;
        uint payer = context.PayerOf(caller.Uid);
        if (!context.TryOpen(Account, payer))
        {
            return SpaceErrno.TooManyOpeners;
        }

        file = NewOpen(payer);
        return Errno.None;
    }

    public override void Removed()
    {
        base.Removed();
        _isGone = true;
    }

    /// <summary>
    /// Returns the content that a user reads from the start: made at that moment or, for a user who has had too much of
    /// it made, one that was read within the last seconds. The array is shared: nobody may change it.
    /// </summary>
    /// <param name="payer">The user whose share of the daemon's time it costs.</param>
    public byte[] ContentFor(uint payer)
    {
        if (_last is { } last && context.Time.GetElapsedTime(last.MadeAt) < s_lasts && !context.MayMake(Account, payer))
        {
            return last.Shown;
        }

        long start = context.Time.GetTimestamp();
        byte[] shown = Encoding.UTF8.GetBytes(Content());
        TimeSpan taken = context.Time.GetElapsedTime(start);
        context.Made(Account, payer, taken);
        _last = taken < s_quick ? null : new Snapshot(shown, start);
        return shown;
    }

    /// <summary>Makes an open file description for a user.</summary>
    /// <param name="payer">The user whose shares it uses.</param>
    protected virtual ControlOpen NewOpen(uint payer) => new(this, payer);

    /// <summary>
    /// Returns true when a user who opened the file may still use it. Nobody can revoke an open of a control file, so
    /// each read and each order asks.
    /// </summary>
    public virtual bool MayUse(uint uid) => true;

    /// <summary>Makes the content for a reader who reads from the start.</summary>
    public virtual string Content() => "";

    /// <summary>Takes one order: the bytes of one write(2), without the newlines at its end.</summary>
    /// <param name="isFirst">True for the first order that this open takes.</param>
    public virtual Errno Take(string order, bool isFirst) => Errno.EINVAL;

    /// <param name="Shown">The content that was shown.</param>
    /// <param name="MadeAt">The time, as <see cref="TimeProvider.GetTimestamp"/> counts.</param>
    private sealed record Snapshot(byte[] Shown, long MadeAt);
}
