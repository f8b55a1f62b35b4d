using TpmFs.Rm;
using TpmFs.Tpm;

namespace TpmFs.Clients;

/// <summary>
/// One client's exchange with a TPM, whatever door the client came by: a command is written, its answer is read. A
/// conversation is idle, then has a command under way, then an answer that is not read to its end, then is idle again.
/// It never waits: a command is queued, and the door is told when the answer is there.
/// </summary>
/// <remarks>
/// The lock guards all fields and is held for a few instructions. The space, the door and the keeper are called without
/// it, because they may call back at once, on the same thread. A door may hold a lock of its own while it calls.
/// </remarks>
internal sealed class Conversation : ISpaceClient
{
    private readonly ConversationContext _context;
    private readonly IConversationKeeper _keeper;
    private readonly int _maxCommandSize;
    private readonly Space? _space; // null only in one that never begins
    private readonly Lock _gate = new();
    private volatile IConversationDoor? _door;
    private volatile ConversationState _state; // written under the lock
    private long _since; // when the state became what it is, as TimeProvider.GetTimestamp counts
    private TpmCc _command; // the last that was written
    private Answer? _answer; // exactly when the state is Unread, and then never spent
    private bool _isClosed; // not guarded: set once

    private Conversation(
        ConversationContext context, ConversationIdentity identity, int maxCommandSize,
        Func<ISpaceClient, Space?> openSpace, IConversationKeeper keeper)
    {
        _context = context;
        _keeper = keeper;
        _maxCommandSize = maxCommandSize;
        Identity = identity;
        _since = identity.BegunAt;
        _space = openSpace(this);
    }

    public ConversationIdentity Identity { get; }

    /// <summary>True once the client is gone, so that its door will not use the conversation any more.</summary>
    public bool IsClosed => Volatile.Read(ref _isClosed);

    /// <summary>Gets what the client has used.</summary>
    public Usage Usage => _space!.Usage;

    /// <summary>Gets or sets the locality of commands that are written from now on.</summary>
    public byte Locality
    {
        get => _space!.Locality;
        set => _space!.Locality = value;
    }

    /// <summary>Gets the number of transient objects that the client holds.</summary>
    public int ObjectCount => _space!.ObjectCount;

    /// <summary>Gets the number of sessions that the client holds.</summary>
    public int SessionCount => _space!.SessionCount;

    /// <summary>Gets the state. An answer that nobody read in time is dropped first.</summary>
    public ConversationState State
    {
        get
        {
            lock (_gate)
            {
                DropIfOverdue();
                return _state;
            }
        }
    }

    /// <summary>
    /// Gets what the conversation is about at this moment. An answer that nobody read in time is dropped first.
    /// </summary>
    public ConversationActivity Activity
    {
        get
        {
            ConversationActivity now;
            lock (_gate)
            {
                DropIfOverdue();
                TpmCc? command = _state is ConversationState.Running or ConversationState.Unread ? _command : null;
                now = new ConversationActivity(
                    _state, _context.Time.GetElapsedTime(_since), command, WaitingReads: 0, _answer?.UnreadBytes ?? 0);
            }

            return now.State == ConversationState.Running
                ? now with { WaitingReads = _door?.WaitingReads ?? 0 } : now;
        }
    }

    /// <summary>Begins a conversation.</summary>
    /// <param name="context">What all conversations share.</param>
    /// <param name="identity">Who leads it, for others.</param>
    /// <param name="maxCommandSize">The largest command, in bytes.</param>
    /// <param name="openSpace">Makes the handle space whose answers come here.</param>
    /// <param name="keeper">Is told when it ends.</param>
    /// <returns>Null when there is no space to be had.</returns>
    public static Conversation? TryBegin(
        ConversationContext context, ConversationIdentity identity, int maxCommandSize,
        Func<ISpaceClient, Space?> openSpace, IConversationKeeper keeper)
    {
        var conversation = new Conversation(context, identity, maxCommandSize, openSpace, keeper);
        if (conversation._space is null)
        {
            return null;
        }

        context.UnreadAnswers.Add(conversation);
        return conversation;
    }

    /// <summary>Names the door that is told of changes. Called once, before the client writes anything.</summary>
    public void Attach(IConversationDoor door) => _door = door;

    /// <summary>
    /// Takes a command, and queues it for the TPM. What is left of an answer that was read in part is dropped.
    /// </summary>
    /// <param name="data">The command; bytes after the size that its header gives are left out.</param>
    /// <param name="lends">True when the door will call <see cref="Lend"/> in a moment.</param>
    /// <returns>
    /// E2BIG for more than the TPM takes, EBUSY while a command is under way or nothing of its answer is read, EINVAL
    /// for what is no whole command, ENODEV when the conversation has ended.
    /// </returns>
    public Errno Write(ReadOnlySpan<byte> data, bool lends)
    {
        if (data.Length > _maxCommandSize)
        {
            return Errno.E2BIG;
        }

        bool isWhole = CommandFrame.TryTake(data, out ReadOnlySpan<byte> command);
        lock (_gate)
        {
            DropIfOverdue();
            Errno refused = _state switch
            {
                ConversationState.Ended => SpaceErrno.Gone,
                ConversationState.Running => Errno.EBUSY,
                ConversationState.Unread when _answer!.Untouched => Errno.EBUSY,
                _ => isWhole ? Errno.None : Errno.EINVAL,
            };
            if (refused.IsError)
            {
                return refused;
            }

            Drop(ConversationState.Running);
            _command = CommandFrame.CodeOf(command);
        }

        if (_space!.TrySubmit(command, lends))
        {
            return Errno.None;
        }

        Finish(null);
        return _state == ConversationState.Ended ? SpaceErrno.Gone : Errno.EBUSY; // it may have been revoked meanwhile
    }

    /// <summary>
    /// Carries the command out on this thread where that saves waking another; see <see cref="Space.Lend"/>.
    /// </summary>
    public LendResult Lend() => _space!.Lend();

    /// <summary>
    /// Takes the next bytes of the answer, or the error that stands for it; no bytes when there is no answer.
    /// </summary>
    /// <param name="size">The most to take, in bytes.</param>
    /// <param name="portion">What is taken, to be handed to the client.</param>
    /// <returns>False while a command is under way: the door is told when that has changed.</returns>
    public bool TryTake(int size, out Portion portion)
    {
        lock (_gate)
        {
            DropIfOverdue();
            switch (_state)
            {
                case ConversationState.Running:
                    portion = default;
                    return false;
                case ConversationState.Unread:
                    portion = _answer!.Take(size);
                    if (_answer.Spent)
                    {
                        Drop(ConversationState.Idle);
                    }

                    return true;
                default:
                    portion = _state == ConversationState.Ended ? Portion.Of(SpaceErrno.Gone) : Portion.Nothing;
                    return true;
            }
        }
    }

    /// <summary>Gives up the command under way, where the TPM can. Its answer comes as the TPM gives it.</summary>
    public void Cancel() => _space!.Cancel();

    /// <summary>
    /// Ends the conversation though the client is still there: whatever the client does from now on gives ENODEV. What
    /// it holds in the TPM is flushed in the background. Idempotent.
    /// </summary>
    public void Revoke()
    {
        if (TryEnd())
        {
            _keeper.Ended(this);
        }
    }

    /// <summary>Ends the conversation of a client that holds up others, and says so in the audit. Idempotent.</summary>
    /// <param name="why">What the client did.</param>
    public void Expel(string why)
    {
        if (State != ConversationState.Ended)
        {
            ConversationAudit.Expelled(_context.Log, Identity, why);
            Revoke();
        }
    }

    /// <summary>Ends the conversation because the client is gone. Idempotent.</summary>
    public void Close()
    {
        if (!Interlocked.Exchange(ref _isClosed, true))
        {
            TryEnd();
            _keeper.Left(this);
        }
    }

    /// <summary>Drops an answer that nobody read in time.</summary>
    /// <returns>How long an unread answer still has; null when there is none.</returns>
    public TimeSpan? DropIfUnread()
    {
        bool isDropped;
        TimeSpan? left;
        lock (_gate)
        {
            isDropped = DropIfOverdue();
            left = _answer is null ? null : Remaining(_answer);
        }

        if (isDropped)
        {
            _door?.Changed();
        }

        return left;
    }

    void ISpaceClient.Completed(ReadOnlySpan<byte> response) =>
        Finish(_context.Answers.Of(response, _context.Time.GetTimestamp()));

    void ISpaceClient.Denied(TpmCc command) => ConversationAudit.Denied(_context.Log, Identity, command);

    void ISpaceClient.Failed(SpaceFailure failure) =>
        Finish(_context.Answers.Of(SpaceErrno.Of(failure), _context.Time.GetTimestamp()));

    /// <summary>Ends the command under way.</summary>
    /// <param name="answer">Null when the space did not take the command.</param>
    private void Finish(Answer? answer)
    {
        lock (_gate)
        {
            if (_state != ConversationState.Running)
            {
                answer?.Drop();
                return;
            }

            _answer = answer;
            Become(answer is null ? ConversationState.Idle : ConversationState.Unread);
        }

        _door?.Changed();
        if (_state == ConversationState.Unread)
        {
            _context.UnreadAnswers.Watch();
        }
    }

    private bool TryEnd()
    {
        lock (_gate)
        {
            if (_state == ConversationState.Ended)
            {
                return false;
            }

            Drop(ConversationState.Ended);
        }

        _space!.Close();
        _door?.Changed();
        _context.UnreadAnswers.Remove(this);
        return true;
    }

    // From here on: under the lock.

    private bool DropIfOverdue()
    {
        bool isOverdue = _answer is not null && Remaining(_answer) <= TimeSpan.Zero;
        if (isOverdue)
        {
            Drop(ConversationState.Idle);
        }

        return isOverdue;
    }

    private void Drop(ConversationState next)
    {
        _answer?.Drop();
        _answer = null;
        Become(next);
    }

    private void Become(ConversationState next) => (_state, _since) = (next, _context.Time.GetTimestamp());

    private TimeSpan Remaining(Answer unread) => UnreadAnswers.Lifetime - _context.Time.GetElapsedTime(unread.ReadyAt);
}
