using TpmFs.Fuse;
using TpmFs.Logs;
using TpmFs.Nodes;
using TpmFs.Rm;
using TpmFs.Tpm;

namespace TpmFs.Openers;

/// <summary>
/// One open file description of a TPM node: a command is written, its response is read. Idle, then a command under way,
/// then its answer ready and perhaps half read, then idle again. What waits is always a read; a write queues the
/// command and returns.
/// </summary>
/// <remarks>
/// The lock guards all fields and is held for a few instructions. The space, replies and the notifier are called
/// without it, because they may call back at once, on the same thread. FUSE's offsets are ignored: this is a stream.
/// </remarks>
internal sealed class Opener : OpenFile, ISpaceClient, IFuseInterruptible
{
    private const uint NonBlocking = 0x800; // O_NONBLOCK, asm-generic/fcntl.h
    private const PollEvents Readable = PollEvents.In | PollEvents.ReadNormal;
    private const PollEvents Writable = PollEvents.Out | PollEvents.WriteNormal;

    private readonly OpenerContext _context;
    private readonly Space _space;
    private readonly int _maxCommandSize;
    private readonly Action<Opener> _ended;
    private readonly Action<Opener> _released;
    private readonly Lock _gate = new();
    private Phase _phase;
    private long _since; // when phase became what it is, as TimeProvider.GetTimestamp counts
    private TpmCc _command; // the last that was written
    private Answer? _answer; // exactly when phase is Ready, and then never spent
    private WaitingReads _waiting; // empty unless phase is Running
    private PollWaiters _pollers;
    private bool _isReleased; // not guarded: set once

    /// <param name="identity">Who it is, for others.</param>
    /// <param name="maxCommandSize">The largest write, in bytes.</param>
    /// <param name="openSpace">Makes the handle space whose answers come here.</param>
    /// <param name="ended">Told once: the last descriptor is closed, or the opener was revoked.</param>
    /// <param name="released">
    /// Told once: the last descriptor is closed. This comes before <paramref name="ended"/> unless it was revoked.
    /// </param>
    private Opener(
        OpenerContext context,
        OpenerIdentity identity,
        int maxCommandSize,
        SpaceOpener openSpace,
        Action<Opener> ended,
        Action<Opener> released)
    {
        _context = context;
        _maxCommandSize = maxCommandSize;
        (_ended, _released) = (ended, released);
        Identity = identity;
        _since = identity.OpenedAt;
        _space = openSpace(this)!;
    }

    public OpenerIdentity Identity { get; }

    /// <summary>True once the last descriptor is closed.</summary>
    public bool IsReleased => Volatile.Read(ref _isReleased);

    /// <summary>What it is about at this moment.</summary>
    public OpenerActivity Activity
    {
        get
        {
            lock (_gate)
            {
                OpenerState state = _phase switch
                {
                    Phase.Running => OpenerState.Running,
                    Phase.Ready => OpenerState.Unread,
                    _ => OpenerState.Idle,
                };
                TpmCc? command = state == OpenerState.Idle ? null : _command;
                return new OpenerActivity(
                    state, _context.Time.GetElapsedTime(_since), command, _waiting.Count,
                    _phase == Phase.Ready ? _answer!.Unread : 0);
            }
        }
    }

    /// <summary>What it holds and has used.</summary>
    public Space Space => _space;

    /// <summary>Null when there is no space to be had.</summary>
    public static Opener? TryOpen(
        OpenerContext context,
        OpenerIdentity identity,
        int maxCommandSize,
        SpaceOpener openSpace,
        Action<Opener> ended,
        Action<Opener> released)
    {
        var opener = new Opener(context, identity, maxCommandSize, openSpace, ended, released);
        if (opener._space is null)
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
            lock (_gate)
            {
                return _phase == Phase.Closed;
            }
        }
    }

    private PollEvents Mask => _phase switch
    {
        Phase.Ready => Readable,
        Phase.Closed => PollEvents.Err | PollEvents.Hup,
        _ => Writable,
    };

    public override Errno Write(in FuseWriteArguments arguments, ReadOnlySpan<byte> data, out int written)
    {
        written = 0;
        if (data.Length > _maxCommandSize)
        {
            return Errno.E2BIG;
        }

        bool whole = CommandFrame.TryTake(data, out ReadOnlySpan<byte> command);
        Errno refused;
        PollWakeups woken;
        lock (_gate)
        {
            PollEvents before = Mask;
            DropIfOverdue();
            refused = _phase switch
            {
                Phase.Closed => SpaceErrno.Gone,
                Phase.Running => Errno.EBUSY,
                Phase.Ready when _answer!.Untouched => Errno.EBUSY,
                _ => whole ? Errno.None : Errno.EINVAL,
            };
            if (!refused.IsError)
            {
                Drop(Phase.Running);
                _command = CommandFrame.CodeOf(command);
            }

            woken = Woken(before);
        }

        woken.Notify(_context.Notifier);
        if (refused.IsError)
        {
            return refused;
        }

        if (!_space.TrySubmit(command, lends: true))
        {
            Finish(null);
            return Gone ? SpaceErrno.Gone : Errno.EBUSY; // it may have been revoked meanwhile
        }

        written = data.Length;
        return Errno.None;
    }

    public override void WriteAnswered() => _space.Lend();

    public override void Read(in FuseReadArguments arguments, FuseReadReply reply)
    {
        if (TryTake(arguments.Size, (arguments.Flags & NonBlocking) == 0, reply, out Portion portion))
        {
            portion.SendTo(reply);
        }
        else
        {
            reply.Keep(this); // which does nothing if it is answered by now
        }
    }

    /// <summary>
    /// Ends the wait of one read with EINTR, unless it is answered already. The response stays readable.
    /// </summary>
    void IFuseInterruptible.Interrupted(FuseReadReply reply)
    {
        lock (_gate)
        {
            if (!_waiting.Remove(reply))
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
        lock (_gate)
        {
            PollEvents before = Mask;
            DropIfOverdue();
            ready = Mask;
            woken = Woken(before);
            if (notify is { } poll)
            {
                _pollers.Add(poll, wanted);
            }
        }

        woken.Notify(_context.Notifier);
        return ready;
    }

    public override void Release()
    {
        if (Interlocked.Exchange(ref _isReleased, true))
        {
            return;
        }

        _released(this);
        Revoke();
    }

    /// <summary>
    /// Ends it, whether or not descriptors are open: reads and writes give ENODEV from now on, those that wait too, and
    /// polls ERR and HUP. What it holds in the TPM is flushed in the background.
    /// </summary>
    public void Revoke()
    {
        WaitingRead? settled;
        PollWakeups woken;
        lock (_gate)
        {
            if (_phase == Phase.Closed)
            {
                return;
            }

            PollEvents before = Mask;
            Drop(Phase.Closed);
            settled = SettleWaiting();
            woken = Woken(before);
        }

        _space.Close();
        _waiting.Send(settled);
        woken.Notify(_context.Notifier);
        _context.Unread.Remove(this);
        _ended(this);
    }

    void ISpaceClient.Completed(ReadOnlySpan<byte> response) =>
        Finish(_context.Answers.Of(response, _context.Time.GetTimestamp()));

    void ISpaceClient.Denied(TpmCc command) => Audit.Denied(_context.Log, Identity, command);

    void ISpaceClient.Failed(SpaceFailure failure) =>
        Finish(_context.Answers.Of(SpaceErrno.Of(failure), _context.Time.GetTimestamp()));

    /// <summary>Drops an answer that nobody read in time. How long it still has, when there is one that does.</summary>
    public TimeSpan? DropIfUnread()
    {
        PollWakeups woken;
        TimeSpan? left;
        lock (_gate)
        {
            PollEvents before = Mask;
            DropIfOverdue();
            left = _phase == Phase.Ready ? Remaining(_answer!) : null;
            woken = Woken(before);
        }

        woken.Notify(_context.Notifier);
        return left;
    }

    /// <summary>The command under way is over; null when there turned out to be none.</summary>
    private void Finish(Answer? result)
    {
        WaitingRead? settled;
        PollWakeups woken;
        bool unread;
        lock (_gate)
        {
            if (_phase != Phase.Running)
            {
                result?.Drop();
                return;
            }

            PollEvents before = Mask;
            _answer = result;
            Become(result is null ? Phase.Idle : Phase.Ready);
            settled = SettleWaiting();
            woken = Woken(before);
            unread = _phase == Phase.Ready;
        }

        _waiting.Send(settled);
        woken.Notify(_context.Notifier);
        if (unread)
        {
            _context.Unread.Watch();
        }
    }

    /// <summary>
    /// What a read gets now. False when it has to wait: then it is in the queue, and may be answered at any moment.
    /// </summary>
    private bool TryTake(int size, bool blocking, FuseReadReply reply, out Portion portion)
    {
        PollWakeups woken;
        lock (_gate)
        {
            if (_phase == Phase.Running && blocking)
            {
                bool waits = _waiting.TryAdd(reply, size);
                portion = waits ? default : Portion.Of(Errno.EBUSY);
                return !waits;
            }

            PollEvents before = Mask;
            DropIfOverdue();
            portion = _phase == Phase.Running ? Portion.Of(Errno.EAGAIN) : Next(size);
            woken = Woken(before);
        }

        woken.Notify(_context.Notifier);
        return true;
    }

    // From here on: under the lock.

    private WaitingRead? SettleWaiting()
    {
        WaitingRead? settled = _waiting.TakeAll();
        for (WaitingRead? read = settled; read is not null; read = read.Next)
        {
            read.Portion = Next(read.Size);
        }

        return settled;
    }

    private Portion Next(int size)
    {
        if (_phase != Phase.Ready)
        {
            return _phase == Phase.Closed ? Portion.Of(SpaceErrno.Gone) : Portion.Nothing;
        }

        Portion portion = _answer!.Take(size);
        if (_answer.Spent)
        {
            Drop(Phase.Idle);
        }

        return portion;
    }

    private void DropIfOverdue()
    {
        if (_phase == Phase.Ready && Remaining(_answer!) <= TimeSpan.Zero)
        {
            Drop(Phase.Idle);
        }
    }

    private void Drop(Phase next)
    {
        _answer?.Drop();
        _answer = null;
        Become(next);
    }

    private void Become(Phase next) => (_phase, _since) = (next, _context.Time.GetTimestamp());

    private TimeSpan Remaining(Answer unread) => UnreadAnswers.Lifetime - _context.Time.GetElapsedTime(unread.ReadyAt);

    private PollWakeups Woken(PollEvents before) => Mask == before ? default : _pollers.Take(Mask);
}
