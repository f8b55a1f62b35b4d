using TpmFs.Tpm;

namespace TpmFs.Clients;

/// <summary>
/// The command that a conversation has under way, or its answer, or neither; in the heap, and in a record for the next
/// daemon. Its conversation's lock guards it.
/// </summary>
/// <remarks>
/// The record changes before anything is wiped that it led to, so that the next daemon finds what it names. Nothing
/// changes once the conversation has ended, since its record may be gone.
/// </remarks>
/// <param name="context">The parts that all conversations share.</param>
/// <param name="conversation">The conversation's number.</param>
/// <param name="record">The record for the next daemon.</param>
/// <param name="begunAt">
/// The time when the conversation began, as <see cref="TimeProvider.GetTimestamp"/> counts.
/// </param>
internal sealed class Exchange(
    ConversationContext context, ulong conversation, ConversationRecord record, long begunAt)
{
    private volatile ConversationState _state = record.State ?? ConversationState.Idle;
    private KeptBytes? _command; // exactly when the state is Running
    private Answer? _answer; // exactly when the state is Unread, and then never spent
    private TpmCc _code = (TpmCc)record.Last.Code; // of the last command
    private long _since = record.Turn == 0 ? begunAt : record.Last.Since; // when the state became what it is

    /// <summary>Gets the state; it may be read without the lock.</summary>
    public ConversationState State => _state;

    /// <summary>Gets the number of the last command; 0 before the first.</summary>
    public ulong Turn { get; private set; } = record.Turn;

    /// <summary>Gets what the conversation is about at this moment, but for the reads that wait at its door.</summary>
    public ConversationActivity Activity => new(
        _state, context.Time.GetElapsedTime(_since),
        _state is ConversationState.Running or ConversationState.Unread ? _code : null, WaitingReads: 0,
        _answer?.UnreadBytes ?? 0);

    /// <summary>Gets how long an unread answer still has; null when there is none.</summary>
    public TimeSpan? Remaining =>
        _answer is null ? null : UnreadAnswers.Lifetime - context.Time.GetElapsedTime(_answer.ReadyAt);

    /// <summary>
    /// Returns true when this request brought the last command, and the conversation has not ended meanwhile.
    /// </summary>
    public bool IsOf(ulong request) =>
        _state != ConversationState.Ended && Turn > 0 && record.Last.Request == request;

    /// <summary>Returns why no command can be taken now; no error when one can.</summary>
    /// <param name="isWhole">True when the command is whole.</param>
    public Errno RefusalOf(bool isWhole) => _state switch
    {
        ConversationState.Ended => SpaceErrno.Gone,
        ConversationState.Running => Errno.EBUSY,
        ConversationState.Unread when _answer!.Untouched => Errno.EBUSY,
        _ => isWhole ? Errno.None : Errno.EINVAL,
    };

    /// <summary>Begins a command, and drops what is left of an answer.</summary>
    public void Run(ReadOnlySpan<byte> command, ulong request)
    {
        Answer? rest = _answer;
        _command = context.Bytes.Rent(command.Length);
        _command.Fill(conversation, ++Turn, command);
        _code = CommandFrame.CodeOf(command);
        (_state, _since, _answer) = (ConversationState.Running, context.Time.GetTimestamp(), null);
        record.Run(Turn, new ConversationRecord.Entry
        {
            Request = request,
            Command = _command.Number,
            Code = (uint)_code,
            Since = _since,
        });
        rest?.Drop();
    }

    /// <summary>Goes back to before the command under way, which the space did not take.</summary>
    public void Withdraw()
    {
        Turn--;
        Drop(ConversationState.Idle);
    }

    /// <summary>Ends the command under way with its answer.</summary>
    public void Finish(Answer answer)
    {
        _answer = answer;
        record.Answer(answer.Number, answer.Error, answer.ReadyAt);
        (_state, _since) = (ConversationState.Unread, answer.ReadyAt);
        DropCommand();
    }

    /// <summary>
    /// Takes the next bytes of the answer, or the error that stands for it; no bytes when there is no answer.
    /// </summary>
    /// <typeparam name="T">The kind of <paramref name="notes"/>.</typeparam>
    /// <param name="size">The most to take, in bytes.</param>
    /// <param name="turn">
    /// The number of the answer that the read waits for: a read that waits for an answer that is over gets no bytes of
    /// the next one. 0 for a read that has just come, which gets its turn here.
    /// </param>
    /// <param name="notes">Learns what the read gets before it is taken.</param>
    /// <param name="portion">The part that is taken, to be handed to the client.</param>
    /// <returns>False while a command is under way.</returns>
    public bool TryTake<T>(int size, ref ulong turn, in T notes, out Portion portion)
        where T : IReadNotes
    {
        if (_state == ConversationState.Ended)
        {
            portion = Portion.Of(SpaceErrno.Gone);
            return true;
        }

        ulong now = Turn + 1;
        bool isOver = turn != 0 && turn != now;
        if (turn == 0)
        {
            turn = now;
            notes.Note(new TakenPart(turn, Source: 0, Start: 0, Count: 0));
        }

        if (isOver || _state == ConversationState.Idle)
        {
            portion = Portion.Nothing;
            return true;
        }

        bool isReady = _state == ConversationState.Unread;
        portion = isReady ? Take(size, turn, notes) : default;
        return isReady;
    }

    /// <summary>Takes what a read took in an earlier daemon.</summary>
    public Portion TakeAgain(in TakenPart part)
    {
        if (_state == ConversationState.Ended)
        {
            return Portion.Of(SpaceErrno.Gone);
        }

        KeptBytes? left = context.Bytes.Find(part.Source, conversation, part.Turn - 1, claims: false);
        Portion portion =
            part.Count < 0 ? Portion.Of(new Errno(-part.Count))
            : left is not null && part.Start >= 0 && part.Count <= left.Bytes.Length - part.Start
                ? new Portion(null, Errno.None, left.Bytes.Slice(part.Start, part.Count).ToArray())
            : Portion.Of(Errno.EIO); // the client has them, so that the kernel drops this
        if (_answer is not null && part.Turn == Turn + 1)
        {
            _answer.MoveTo(part.Start + Math.Max(0, part.Count));
            AfterTake(_answer);
        }

        return portion;
    }

    /// <summary>Drops an answer that nobody read in time.</summary>
    public bool DropIfOverdue()
    {
        bool isOverdue = Remaining <= TimeSpan.Zero;
        if (isOverdue)
        {
            Drop(ConversationState.Idle);
        }

        return isOverdue;
    }

    /// <summary>Drops the command or the answer.</summary>
    public void Drop(ConversationState next)
    {
        record.Become(next, Turn);
        (_state, _since) = (next, context.Time.GetTimestamp());
        _answer?.Drop();
        _answer = null;
        DropCommand();
    }

    /// <summary>Finds the bytes of what an earlier daemon was at.</summary>
    /// <returns>False when they are not there.</returns>
    public bool TryResume()
    {
        ConversationRecord.Entry last = record.Last;
        switch (_state)
        {
            case ConversationState.Running:
                _command = context.Bytes.Find(last.Command, conversation, Turn, claims: true);
                return _command is not null;
            case ConversationState.Unread:
                KeptBytes? bytes = context.Bytes.Find(last.Answer, conversation, Turn, claims: true);
                _answer = bytes is not null
                    ? context.Answers.Of(bytes, last.Since)
                    : context.Answers.Of(last.Error != 0 ? new Errno(last.Error) : Errno.EIO, last.Since);
                if (last.Position > 0)
                {
                    _answer.MoveTo(last.Position);
                }

                return true;
            default:
                return true;
        }
    }

    /// <summary>Returns the command under way, whole; empty when its bytes make no sense.</summary>
    public ReadOnlySpan<byte> CommandUnderWay() =>
        CommandFrame.TryTake(_command!.Bytes.Span, out ReadOnlySpan<byte> command) ? command : [];

    /// <summary>Forgets what the next daemon finds: the client is gone.</summary>
    public void Forget() => record.Remove();

    private Portion Take<T>(int size, ulong turn, in T notes)
        where T : IReadNotes
    {
        Answer answer = _answer!;
        int count = Math.Min(size, answer.UnreadBytes);
        notes.Note(new TakenPart(
            turn, answer.Number, answer.Position, answer.Error.IsError ? -answer.Error.Value : count));
        Portion portion = answer.Take(size);
        AfterTake(answer);
        return portion;
    }

    private void AfterTake(Answer answer)
    {
        if (answer.Spent)
        {
            Drop(ConversationState.Idle);
        }
        else
        {
            record.Take(answer.Position);
        }
    }

    private void DropCommand()
    {
        if (_command is not null)
        {
            context.Bytes.Return(_command);
            _command = null;
        }
    }
}
