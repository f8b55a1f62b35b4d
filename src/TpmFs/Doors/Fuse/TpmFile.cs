using TpmFs.Clients;
using TpmFs.Fuse;
using TpmFs.Rm;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// One open file description of a TPM node: turns the kernel's requests into a conversation. Only reads wait, and a
/// read is kept without a thread; a write queues the command and returns. FUSE's offsets are ignored: this is a stream.
/// </summary>
/// <remarks>
/// The lock guards the reads and polls that wait. It is held while the conversation is asked, never while a reply or
/// the notifier is called. <see cref="_isWatched"/> is set before the conversation is asked, and read after the
/// conversation has changed; the conversation's own lock orders the two. So a waiting read or poll misses no change,
/// and where nothing waits a change costs no lock of this file.
/// </remarks>
internal sealed class TpmFile : OpenFile, IConversationDoor, IFuseInterruptible, IFusePolled
{
    private const uint NonBlocking = 0x800; // O_NONBLOCK, asm-generic/fcntl.h

    private readonly Conversation _conversation;
    private readonly IFuseNotifier _notifier;
    private readonly Lock _gate = new();
    private WaitingReads _waiting; // empty unless a command is under way, or a change is about to be seen
    private PollWaiters _pollers;
    private WakeupCost _wakeupCost;
    private PollEvents _seen; // what was ready when the polls that wait were last looked at
    private volatile bool _isWatched;

    /// <param name="conversation">A conversation that has just begun. The file closes it.</param>
    /// <param name="notifier">Wakes the clients that poll.</param>
    public TpmFile(Conversation conversation, IFuseNotifier notifier)
    {
        _conversation = conversation;
        _notifier = notifier;
        conversation.Attach(this);
    }

    public override FuseOpenFlags Flags => FuseOpenFlags.DirectIo | FuseOpenFlags.Stream | FuseOpenFlags.NoFlush;

    public override ulong Conversation => _conversation.Identity.Id;

    public int WaitingReads
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Count;
            }
        }
    }

    public override Errno Write(in FuseWriteArguments arguments, ReadOnlySpan<byte> data, out int written)
    {
        Errno error = _conversation.Write(
            data, lends: true, new DoorRequest(arguments.Request.Unique, arguments.Request.IsRepeated));
        Changed(); // the rest of an answer may have been dropped
        written = error.IsError ? 0 : data.Length;
        return error;
    }

    public override FuseLendResult Lend() => _conversation.Lend() switch
    {
        LendResult.Again => FuseLendResult.Again,
        LendResult.Done => FuseLendResult.Done,
        _ => FuseLendResult.Nothing,
    };

    public override void Read(in FuseReadArguments arguments, FuseReadReply reply)
    {
        FuseReadNote noted = arguments.Noted;
        if (noted.Count != 0)
        {
            WaitingRead.Answer(
                reply,
                _conversation.TakeAgain(new TakenPart(noted.Turn, noted.Source, noted.Start, noted.Count)));
            return;
        }

        bool blocks = (arguments.Flags & NonBlocking) == 0;
        ulong turn = noted.Turn;
        WaitingRead? settled;
        PollWakeups woken;
        Portion portion;
        bool waits = false;
        lock (_gate)
        {
            _isWatched = true;
            settled = SettleWaiting();
            if (!_conversation.TryTake(arguments.Size, ref turn, new ReadNotes(reply), out portion))
            {
                waits = blocks && _waiting.TryAdd(reply, arguments.Size, turn);
                portion = waits ? default : Refuse(reply, turn, blocks ? Errno.EBUSY : Errno.EAGAIN);
            }

            woken = LookAgain();
        }

        _waiting.Send(settled);
        woken.Notify(_notifier, this);
        if (waits)
        {
            reply.Keep(this); // which does nothing if it is answered by now
        }
        else
        {
            WaitingRead.Answer(reply, portion);
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
        WaitingRead? settled;
        PollWakeups woken;
        lock (_gate)
        {
            _isWatched = true;
            settled = SettleWaiting();
            ready = Ready;
            woken = Look(ready);
            if (notify is { } poll)
            {
                _pollers.Add(poll, wanted);
            }

            _isWatched = IsAnythingWaiting;
        }

        _waiting.Send(settled);
        woken.Notify(_notifier, this);
        return ready;
    }

    public override void Release() => _conversation.Close();

    /// <summary>Answers the reads, and wakes the polls, that the conversation's new state concerns.</summary>
    public void Changed()
    {
        if (!_isWatched)
        {
            return;
        }

        WaitingRead? settled;
        PollWakeups woken;
        lock (_gate)
        {
            settled = SettleWaiting();
            woken = LookAgain();
        }

        _waiting.Send(settled);
        woken.Notify(_notifier, this);
    }

    /// <summary>Wakes a poll, and ends the conversation of a client for whom that takes too long.</summary>
    public void Wake(PollId poll, IFuseWaker waker)
    {
        WakingCall call = _wakeupCost.Begin();
        waker.Wake(poll);
        if (_wakeupCost.End(call))
        {
            _conversation.Expel("the client registered the file with epoll(7) or poll(2) too many times");
        }
    }

    // From here on: under the lock.

    private PollEvents Ready => _conversation.State switch
    {
        ConversationState.Unread => PollEvents.In | PollEvents.ReadNormal,
        ConversationState.Ended => PollEvents.Err | PollEvents.Hup,
        _ => PollEvents.Out | PollEvents.WriteNormal,
    };

    /// <summary>
    /// Refuses a read that would have to wait. Writes the refusal down, since by the time of another daemon there may
    /// be an answer, which belongs to another read.
    /// </summary>
    private static Portion Refuse(FuseReadReply reply, ulong turn, Errno error)
    {
        new ReadNotes(reply).Note(new TakenPart(turn, Source: 0, Start: 0, -error.Value));
        return Portion.Of(error);
    }

    private bool IsAnythingWaiting => _waiting.Count > 0 || _pollers.Any;

    /// <summary>
    /// Gives the waiting reads their bytes, unless the command is still under way. The oldest goes first; the reads for
    /// which nothing is left get no bytes, even when the next command is written meanwhile.
    /// </summary>
    /// <returns>The oldest of them, to be sent without the lock; null when none is settled.</returns>
    private WaitingRead? SettleWaiting()
    {
        if (_waiting.First is not { } oldest || !TryTake(oldest))
        {
            return null;
        }

        _waiting.TakeAll();
        for (WaitingRead? read = oldest.Next; read is not null; read = read.Next)
        {
            TryTake(read);
        }

        return oldest;
    }

    private bool TryTake(WaitingRead read)
    {
        ulong turn = read.Turn;
        bool isTaken =
            _conversation.TryTake(read.Size, ref turn, new ReadNotes(read.Reply), out Portion portion);
        read.Portion = portion;
        return isTaken;
    }

    /// <summary>Asks the conversation which events are ready now, if a poll or a read waits.</summary>
    private PollWakeups LookAgain()
    {
        PollWakeups woken = _pollers.Any ? Look(Ready) : default;
        _isWatched = IsAnythingWaiting;
        return woken;
    }

    private PollWakeups Look(PollEvents ready)
    {
        bool isNews = ready != _seen;
        _seen = ready;
        return isNews ? _pollers.Take(ready) : default;
    }
}
