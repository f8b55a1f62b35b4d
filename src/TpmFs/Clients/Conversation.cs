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
    private readonly Lock _gate = new();
    private Space? _space; // null only in one that never begins, or that was lost
    private Exchange _exchange = null!; // not null in one that has begun
    private volatile IConversationDoor? _door;
    private bool _isClosed; // not guarded: set once

    private Conversation(
        ConversationContext context, ConversationIdentity identity, int maxCommandSize, IConversationKeeper keeper)
    {
        _context = context;
        _keeper = keeper;
        _maxCommandSize = maxCommandSize;
        Identity = identity;
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
                _exchange.DropIfOverdue();
                return _exchange.State;
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
                _exchange.DropIfOverdue();
                now = _exchange.Activity;
            }

            return now.State == ConversationState.Running
                ? now with { WaitingReads = _door?.WaitingReads ?? 0 } : now;
        }
    }

    /// <summary>Begins a conversation.</summary>
    /// <param name="context">The parts that all conversations share.</param>
    /// <param name="identity">The client and its node, for others.</param>
    /// <param name="maxCommandSize">The largest command, in bytes.</param>
    /// <param name="openSpace">Makes the handle space whose answers come here.</param>
    /// <param name="keeper">Learns when the conversation ends.</param>
    /// <returns>Null when there is no space to be had.</returns>
    public static Conversation? TryBegin(
        ConversationContext context, ConversationIdentity identity, int maxCommandSize,
        Func<ISpaceClient, Space?> openSpace, IConversationKeeper keeper)
    {
        var conversation = new Conversation(context, identity, maxCommandSize, keeper);
        if (openSpace(conversation) is not { } space)
        {
            return null;
        }

        conversation._space = space;
        var record = ConversationRecord.Begin(context.Records, new SavedConversation(identity, space.Id.Value));
        conversation._exchange = new Exchange(context, identity.Id, record, identity.BegunAt);
        context.UnreadAnswers.Add(conversation);
        return conversation;
    }

    /// <summary>
    /// Goes on with a conversation of an earlier daemon, in the state that it was in. A command that was under way is
    /// submitted again; the manager knows what became of it.
    /// </summary>
    /// <param name="context">The parts that all conversations share.</param>
    /// <param name="earlier">The earlier daemon's record of the conversation.</param>
    /// <param name="maxCommandSize">The largest command, in bytes.</param>
    /// <param name="reopenSpace">
    /// Makes the handle space again, from the number of its commands that are over; null when there is no way to the
    /// TPM any more, or none to the domain: the conversation has ended then.
    /// </param>
    /// <param name="keeper">Learns when the conversation ends.</param>
    public static Conversation Resume(
        ConversationContext context, EarlierConversation earlier, int maxCommandSize,
        Func<ISpaceClient, long, Space>? reopenSpace, IConversationKeeper keeper)
    {
        ConversationIdentity identity = earlier.Saved.Identity;
        var conversation = new Conversation(context, identity, maxCommandSize, keeper)
        {
            _exchange = new Exchange(context, identity.Id, earlier.Record, identity.BegunAt),
        };
        Exchange exchange = conversation._exchange;
        if (reopenSpace is null || exchange.State == ConversationState.Ended)
        {
            exchange.Drop(ConversationState.Ended);
            return conversation;
        }

        bool runs = exchange.State == ConversationState.Running;
        conversation._space = reopenSpace(conversation, (long)exchange.Turn - (runs ? 1 : 0));
        context.UnreadAnswers.Add(conversation);
        if (!exchange.TryResume() || (runs && !conversation._space.TrySubmit(exchange.CommandUnderWay())))
        {
            conversation.Finish(context.Answers.Of(Errno.EIO, context.Time.GetTimestamp()));
        }
        else if (exchange.State == ConversationState.Unread)
        {
            context.UnreadAnswers.Watch();
        }

        return conversation;
    }

    /// <summary>Names the door that is told of changes. Called once, before the client writes anything.</summary>
    public void Attach(IConversationDoor door) => _door = door;

    /// <summary>
    /// Takes a command, and queues it for the TPM. Drops the rest of an answer that was read in part.
    /// </summary>
    /// <param name="data">The command; bytes after the size that its header gives are left out.</param>
    /// <param name="lends">True when the door will call <see cref="Lend"/> in a moment.</param>
    /// <param name="request">
    /// The door's request that brings the command. Nothing is done for a repeated request whose command an earlier
    /// daemon took.
    /// </param>
    /// <returns>
    /// E2BIG for more than the TPM takes, EBUSY while a command is under way or nothing of its answer is read, EINVAL
    /// for what is no whole command, ENODEV when the conversation has ended.
    /// </returns>
    public Errno Write(ReadOnlySpan<byte> data, bool lends, in DoorRequest request = default)
    {
        if (data.Length > _maxCommandSize)
        {
            return Errno.E2BIG;
        }

        bool isWhole = CommandFrame.TryTake(data, out ReadOnlySpan<byte> command);
        lock (_gate)
        {
            _exchange.DropIfOverdue();
            if (request.IsRepeated && _exchange.IsOf(request.Number))
            {
                return Errno.None;
            }

            Errno refused = _exchange.RefusalOf(isWhole);
            if (refused.IsError)
            {
                return refused;
            }

            _exchange.Run(command, request.Number);
        }

        if (_space!.TrySubmit(command, lends))
        {
            return Errno.None;
        }

        Finish(null);

        // It may have been revoked meanwhile.
        return _exchange.State == ConversationState.Ended ? SpaceErrno.Gone : Errno.EBUSY;
    }

    /// <summary>
    /// Carries the command out on this thread where that saves waking another; see <see cref="Space.Lend"/>.
    /// </summary>
    public LendResult Lend() => _space!.Lend();

    /// <summary>Takes the next bytes of the answer for a door whose clients do not outlive the daemon.</summary>
    /// <inheritdoc cref="TryTake{T}"/>
    public bool TryTake(int size, out Portion portion)
    {
        ulong turn = 0;
        return TryTake(size, ref turn, default(NoNotes), out portion);
    }

    /// <summary>
    /// Takes the next bytes of the answer, or the error that stands for it; no bytes when there is no answer.
    /// </summary>
    /// <inheritdoc cref="Exchange.TryTake"/>
    /// <returns>False while a command is under way: the door is told when that has changed.</returns>
    public bool TryTake<T>(int size, ref ulong turn, in T notes, out Portion portion)
        where T : IReadNotes
    {
        lock (_gate)
        {
            _exchange.DropIfOverdue();
            return _exchange.TryTake(size, ref turn, notes, out portion);
        }
    }

    /// <summary>
    /// Takes once more what a read took in an earlier daemon, which may not have handed it to the client.
    /// </summary>
    public Portion TakeAgain(in TakenPart part)
    {
        lock (_gate)
        {
            return _exchange.TakeAgain(part);
        }
    }

    /// <summary>Gives up the command under way, where the TPM can. Its answer comes as the TPM gives it.</summary>
    public void Cancel() => _space!.Cancel();

    /// <summary>
    /// Ends the conversation though the client is still there: all further calls of the client give ENODEV. Objects and
    /// sessions of the conversation are flushed in the background. Idempotent.
    /// </summary>
    public void Revoke()
    {
        if (TryEnd())
        {
            _keeper.Ended(this);
        }
    }

    /// <summary>Ends the conversation of a client that holds up others, and says so in the audit. Idempotent.</summary>
    /// <param name="why">The client's action.</param>
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
            _exchange.Forget();
            _keeper.Left(this);
        }
    }

    /// <summary>Drops an answer that nobody read in time.</summary>
    /// <returns>The time until an unread answer is dropped; null when there is none.</returns>
    public TimeSpan? DropIfUnread()
    {
        bool isDropped;
        TimeSpan? left;
        lock (_gate)
        {
            isDropped = _exchange.DropIfOverdue();
            left = _exchange.Remaining;
        }

        if (isDropped)
        {
            _door?.Changed();
        }

        return left;
    }

    void ISpaceClient.Completed(ReadOnlySpan<byte> response)
    {
        KeptBytes kept = _context.Bytes.Rent(response.Length);
        kept.Fill(Identity.Id, _exchange.Turn, response); // the turn does not change while the command is under way
        Finish(_context.Answers.Of(kept, _context.Time.GetTimestamp()));
    }

    void ISpaceClient.Denied(TpmCc command) => ConversationAudit.Denied(_context.Log, Identity, command);

    void ISpaceClient.Failed(SpaceFailure failure) =>
        Finish(_context.Answers.Of(SpaceErrno.Of(failure), _context.Time.GetTimestamp()));

    /// <summary>Ends the command under way.</summary>
    /// <param name="answer">Null when the space did not take the command.</param>
    private void Finish(Answer? answer)
    {
        lock (_gate)
        {
            if (_exchange.State != ConversationState.Running)
            {
                answer?.Drop();
                return;
            }

            if (answer is null)
            {
                _exchange.Withdraw();
            }
            else
            {
                _exchange.Finish(answer);
            }
        }

        _door?.Changed();
        if (_exchange.State == ConversationState.Unread)
        {
            _context.UnreadAnswers.Watch();
        }
    }

    private bool TryEnd()
    {
        lock (_gate)
        {
            if (_exchange.State == ConversationState.Ended)
            {
                return false;
            }

            _exchange.Drop(ConversationState.Ended);
        }

        _space?.Close();
        _door?.Changed();
        _context.UnreadAnswers.Remove(this);
        return true;
    }
}
