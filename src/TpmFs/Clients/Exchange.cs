using TpmFs.Tpm;

namespace TpmFs.Clients;

/// <summary>
/// What a conversation is at: a command under way, or its answer, or neither; in the heap, and in its record for the
/// next daemon. Its conversation's lock guards it.
/// </summary>
/// <remarks>
/// The record changes before anything is wiped that it led to, so that the next daemon finds what it names. Nothing
/// changes once the conversation has ended, since its record may be gone.
/// </remarks>
/// <param name="context">What all conversations share.</param>
/// <param name="conversation">The conversation's number.</param>
/// <param name="record">What the next daemon finds.</param>
/// <param name="begunAt">When the conversation began, as <see cref="TimeProvider.GetTimestamp"/> counts.</param>
internal sealed class Exchange(
    ConversationContext context, ulong conversation, ConversationRecord record, long begunAt)
{
    private volatile ConversationState _state = record.State ?? ConversationState.Idle;
    private KeptBytes? _command; // exactly when the state is Running
    private Answer? _answer; // exactly when the state is Unread, and then never spent

    /// <summary>Gets the state; it may be read without the lock.</summary>
    public ConversationState State => _state;

    /// <summary>Gets the number of the last command; 0 before the first.</summary>
    public ulong Turn { get; private set; } = record.Turn;

    /// <summary>Gets the code of the last command.</summary>
    public TpmCc Code { get; private set; } = (TpmCc)record.Last.Code;

    /// <summary>Gets when the state became what it is.</summary>
    public long Since { get; private set; } = record.Turn == 0 ? begunAt : record.Last.Since;

    /// <summary>Gets how many bytes of an answer nobody has read yet.</summary>
    public int UnreadBytes => _answer?.UnreadBytes ?? 0;

    /// <summary>True when there is an answer of which nothing was read.</summary>
    public bool IsUntouched => _answer is { Untouched: true };

    /// <summary>Gets how long an unread answer still has; null when there is none.</summary>
    public TimeSpan? Remaining =>
        _answer is null ? null : UnreadAnswers.Lifetime - context.Time.GetElapsedTime(_answer.ReadyAt);

    /// <summary>Returns true when the last command was brought by this request.</summary>
    public bool IsOf(ulong request) => Turn > 0 && record.Last.Request == request;

    /// <summary>A command is under way, and what is left of an answer is dropped.</summary>
    public void Run(ReadOnlySpan<byte> command, ulong request)
    {
        Answer? rest = _answer;
        _command = context.Bytes.Rent(command.Length);
        _command.Fill(conversation, ++Turn, command);
        Code = CommandFrame.CodeOf(command);
        (_state, Since, _answer) = (ConversationState.Running, context.Time.GetTimestamp(), null);
        record.Run(Turn, new ConversationRecord.Entry
        {
            Request = request,
            Command = _command.Number,
            Code = (uint)Code,
            Since = Since,
        });
        rest?.Drop();
    }

    /// <summary>The command under way was not taken, as if it had not come.</summary>
    public void Withdraw()
    {
        Turn--;
        Drop(ConversationState.Idle);
    }

    /// <summary>The answer of the command under way is there.</summary>
    public void Finish(Answer answer)
    {
        _answer = answer;
        record.Answer(answer.Number, answer.Error, answer.ReadyAt);
        (_state, Since) = (ConversationState.Unread, answer.ReadyAt);
        DropCommand();
    }

    /// <summary>Takes the next bytes of the answer, or the error that it is.</summary>
    public Portion Take<T>(int size, ulong turn, in T notes)
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

    /// <summary>Takes what a read took in an earlier daemon.</summary>
    public Portion TakeAgain(in TakenPart part)
    {
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

    /// <summary>The command or answer is dropped.</summary>
    public void Drop(ConversationState next)
    {
        record.Become(next, Turn);
        (_state, Since) = (next, context.Time.GetTimestamp());
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
