using System.Text;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Power;

namespace TpmFs.Tree.Controls;

/// <summary>
/// power: takes "suspend" before the machine sleeps and "resume" after, each at once, and shows "awake", "suspended" or
/// "suspending". A reader waits while the daemon suspends, and sees "suspending" when that takes too long.
/// </summary>
internal sealed class PowerFile(NodeTable table, ControlContext context, Suspension suspension)
    : ControlFile(table, Private, context)
{
    public const string Suspend = "suspend";
    public const string Resume = "resume";

    public static string Show(SleepState state) => state switch
    {
        SleepState.Awake => "awake",
        SleepState.Suspending => "suspending",
        _ => "suspended",
    };

    public override Errno Take(string order, bool isFirst)
    {
        switch (order)
        {
            case Suspend:
                suspension.Begin();
                return Errno.None;
            case Resume:
                suspension.End();
                return Errno.None;
            default:
                return Errno.EINVAL;
        }
    }

    protected override ControlOpen NewOpen(uint payer) => new PowerOpen(this, suspension, payer);

    /// <summary>
    /// One open file description. Orders are as of any control file; a read from the start may wait, without a thread.
    /// </summary>
    private sealed class PowerOpen(PowerFile file, Suspension suspension, uint payer) : ControlOpen(file, payer)
    {
        private volatile byte[] _shown = [];

        public override void Read(in FuseReadArguments arguments, FuseReadReply reply)
        {
            int size = arguments.Size;
            if (arguments.Offset > 0)
            {
                Span<byte> rest = _shown.AsSpan((int)Math.Min(arguments.Offset, (ulong)_shown.Length));
                reply.Complete(rest[..Math.Min(size, rest.Length)]);
                return;
            }

            var read = new SettlingRead(reply);
            reply.Keep(read);
            read.Wait(suspension, state =>
            {
                byte[] text = Encoding.ASCII.GetBytes(Show(state) + "\n");
                _shown = text;
                reply.Complete(text.AsSpan(0, Math.Min(size, text.Length)));
            });
        }
    }

    /// <summary>
    /// A read that waits until the state is settled. An interrupt ends the wait, unless the state was told before.
    /// </summary>
    private sealed class SettlingRead(FuseReadReply reply) : IFuseInterruptible
    {
        private volatile Func<bool>? _stop;
        private volatile bool _isInterrupted;

        public void Wait(Suspension suspension, Action<SleepState> tell)
        {
            _stop = suspension.WhenSettled(tell);
            if (_isInterrupted)
            {
                Interrupted(reply);
            }
        }

        public void Interrupted(FuseReadReply interrupted)
        {
            _isInterrupted = true;
            if (_stop?.Invoke() == true)
            {
                interrupted.Fail(Errno.EINTR);
            }
        }
    }
}
