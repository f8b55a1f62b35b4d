using TpmFs.Fuse;
using TpmFs.Logs;
using TpmFs.Nodes;
using TpmFs.Rm;
using TpmFs.Tpm;

namespace TpmFs.Openers;

/// <summary>
/// One open file description of a TPM node: a command is written, its response is read. Idle, then a command under way, then its answer
/// ready and perhaps half read, then idle again. What waits is always a read; a write queues the command and returns.
/// </summary>
/// <remarks>
/// The lock guards all fields and is held for a few instructions. The space, replies and the notifier are called without it, because
/// they may call back at once, on the same thread. FUSE's offsets are ignored: this is a stream.
/// </remarks>
internal sealed class Opener : OpenFile, ISpaceClient, IFuseInterruptible
{
    private const uint NonBlocking = 0x800; // O_NONBLOCK, asm-generic/fcntl.h
    private const PollEvents Readable = PollEvents.In | PollEvents.ReadNormal;
    private const PollEvents Writable = PollEvents.Out | PollEvents.WriteNormal;

    private readonly OpenerContext context;
    private readonly Space space;
    private readonly int maxCommandSize;
    private readonly Action<Opener> left;
    private readonly Lock gate = new();
    private Phase phase;
    private Answer? answer; // exactly when phase is Ready, and then never spent
    private WaitingReads waiting; // empty unless phase is Running
    private PollWaiters pollers;

    /// <param name="identity">Who it is, for others.</param>
    /// <param name="maxCommandSize">The largest write, in bytes.</param>
    /// <param name="openSpace">Makes the handle space whose answers come here.</param>
    /// <param name="left">Told once: the last descriptor is closed, or the opener was revoked.</param>
    private Opener(OpenerContext context, OpenerIdentity identity, int maxCommandSize, SpaceOpener openSpace, Action<Opener> left)
    {
        this.context = context;
        this.maxCommandSize = maxCommandSize;
        this.left = left;
        Identity = identity;
        space = openSpace(this)!;
    }

    public OpenerIdentity Identity { get; }

    /// <summary>What it holds and has used.</summary>
    public Space Space => space;

    /// <summary>Null when there is no space to be had.</summary>
    public static Opener? TryOpen(OpenerContext context, OpenerIdentity identity, int maxCommandSize, SpaceOpener openSpace, Action<Opener> left)
    {
        var opener = new Opener(context, identity, maxCommandSize, openSpace, left);
        if (opener.space is null)
        {
            return null;
        }

        context.Unread.Add(opener);
        return opener;
    }

    private enum Phase
    {
        Idle,
        Running,
        Ready,
        Closed,
    }

    public override FuseOpenFlags Flags => FuseOpenFlags.DirectIo | FuseOpenFlags.Stream | FuseOpenFlags.NoFlush;

    private bool Gone
    {
        get
        {
            lock (gate)
            {
                return phase == Phase.Closed;
            }
        }
    }

    private PollEvents Mask => phase switch
    {
        Phase.Ready => Readable,
        Phase.Closed => PollEvents.Err | PollEvents.Hup,
        _ => Writable,
    };

    public override Errno Write(in FuseWriteArguments arguments, ReadOnlySpan<byte> data, out int written)
    {
        written = 0;
        if (data.Length > maxCommandSize)
        {
            return Errno.E2BIG;
        }

        var whole = CommandFrame.TryTake(data, out var command);
        Errno refused;
        PollWakeups woken;
        lock (gate)
        {
            var before = Mask;
            DropIfOverdue();
            refused = phase switch
            {
                Phase.Closed => SpaceErrno.Gone,
                Phase.Running => Errno.EBUSY,
                Phase.Ready when answer!.Untouched => Errno.EBUSY,
                _ => whole ? Errno.None : Errno.EINVAL,
            };
            if (!refused.IsError)
            {
                Drop(Phase.Running);
            }

            woken = Woken(before);
        }

        woken.Notify(context.Notifier);
        if (refused.IsError)
        {
            return refused;
        }

        if (!space.TrySubmit(command, lends: true))
        {
            Finish(null);
            return Gone ? SpaceErrno.Gone : Errno.EBUSY; // it may have been revoked meanwhile
        }

        written = data.Length;
        return Errno.None;
    }

    public override void WriteAnswered() => space.Lend();

    public override void Read(in FuseReadArguments arguments, FuseReadReply reply)
    {
        if (TryTake(arguments.Size, (arguments.Flags & NonBlocking) == 0, reply, out var portion))
        {
            portion.SendTo(reply);
        }
        else
        {
            reply.Keep(this); // which does nothing if it is answered by now
        }
    }

    /// <summary>Ends the wait of one read with EINTR, unless it is answered already. The response stays readable.</summary>
    void IFuseInterruptible.Interrupted(FuseReadReply reply)
    {
        lock (gate)
        {
            if (!waiting.Remove(reply))
            {
                return;
            }
        }

        reply.Fail(Errno.EINTR);
    }

    public override PollEvents Poll(PollId? notify, PollEvents wanted)
    {
        PollEvents ready;
        PollWakeups woken;
        lock (gate)
        {
            var before = Mask;
            DropIfOverdue();
            ready = Mask;
            woken = Woken(before);
            if (notify is { } poll)
            {
                pollers.Add(poll, wanted);
            }
        }

        woken.Notify(context.Notifier);
        return ready;
    }

    public override void Release() => Revoke();

    /// <summary>
    /// Ends it, whether or not descriptors are open: reads and writes give ENODEV from now on, those that wait too, and polls ERR and HUP. What
    /// it holds in the TPM is flushed in the background.
    /// </summary>
    public void Revoke()
    {
        WaitingRead? settled;
        PollWakeups woken;
        lock (gate)
        {
            if (phase == Phase.Closed)
            {
                return;
            }

            var before = Mask;
            Drop(Phase.Closed);
            settled = SettleWaiting();
            woken = Woken(before);
        }

        space.Close();
        waiting.Send(settled);
        woken.Notify(context.Notifier);
        context.Unread.Remove(this);
        left(this);
    }

    void ISpaceClient.Completed(ReadOnlySpan<byte> response) => Finish(context.Answers.Of(response, context.Time.GetTimestamp()));

    void ISpaceClient.Denied(TpmCc command) => Audit.Denied(context.Log, Identity, command);

    void ISpaceClient.Failed(SpaceFailure failure) => Finish(context.Answers.Of(SpaceErrno.Of(failure), context.Time.GetTimestamp()));

    /// <summary>Drops an answer that nobody read in time. How long it still has, when there is one that does.</summary>
    public TimeSpan? DropIfUnread()
    {
        PollWakeups woken;
        TimeSpan? left;
        lock (gate)
        {
            var before = Mask;
            DropIfOverdue();
            left = phase == Phase.Ready ? Remaining(answer!) : null;
            woken = Woken(before);
        }

        woken.Notify(context.Notifier);
        return left;
    }

    /// <summary>The command under way is over; null when there turned out to be none.</summary>
    private void Finish(Answer? result)
    {
        WaitingRead? settled;
        PollWakeups woken;
        bool unread;
        lock (gate)
        {
            if (phase != Phase.Running)
            {
                result?.Drop();
                return;
            }

            var before = Mask;
            answer = result;
            phase = result is null ? Phase.Idle : Phase.Ready;
            settled = SettleWaiting();
            woken = Woken(before);
            unread = phase == Phase.Ready;
        }

        waiting.Send(settled);
        woken.Notify(context.Notifier);
        if (unread)
        {
            context.Unread.Watch();
        }
    }

    /// <summary>What a read gets now. False when it has to wait: then it is in the queue, and may be answered at any moment.</summary>
    private bool TryTake(int size, bool blocking, FuseReadReply reply, out Portion portion)
    {
        PollWakeups woken;
        lock (gate)
        {
            if (phase == Phase.Running && blocking)
            {
                portion = default;
                waiting.Add(reply, size);
                return false;
            }

            var before = Mask;
            DropIfOverdue();
            portion = phase == Phase.Running ? Portion.Of(Errno.EAGAIN) : Next(size);
            woken = Woken(before);
        }

        woken.Notify(context.Notifier);
        return true;
    }

    // From here on: under the lock.

    private WaitingRead? SettleWaiting()
    {
        var settled = waiting.TakeAll();
        for (var read = settled; read is not null; read = read.Next)
        {
            read.Portion = Next(read.Size);
        }

        return settled;
    }

    private Portion Next(int size)
    {
        if (phase != Phase.Ready)
        {
            return phase == Phase.Closed ? Portion.Of(SpaceErrno.Gone) : Portion.Nothing;
        }

        var portion = answer!.Take(size);
        if (answer.Spent)
        {
            Drop(Phase.Idle);
        }

        return portion;
    }

    private void DropIfOverdue()
    {
        if (phase == Phase.Ready && Remaining(answer!) <= TimeSpan.Zero)
        {
            Drop(Phase.Idle);
        }
    }

    private void Drop(Phase next)
    {
        answer?.Drop();
        answer = null;
        phase = next;
    }

    private TimeSpan Remaining(Answer unread) => UnreadAnswers.Lifetime - context.Time.GetElapsedTime(unread.ReadyAt);

    private PollWakeups Woken(PollEvents before) => Mask == before ? default : pollers.Take(Mask);
}
