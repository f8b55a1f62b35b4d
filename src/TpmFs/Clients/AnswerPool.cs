namespace TpmFs.Clients;

/// <summary>Answers that are not in use, so that a command makes none. Any thread.</summary>
internal sealed class AnswerPool
{
    /// <summary>As many are kept, each with a buffer that is as large as the largest response it has held.</summary>
    private const int Kept = 64;

    private readonly Lock _gate = new();
    private readonly Stack<Answer> _free = new(Kept);

    public Answer Of(ReadOnlySpan<byte> response, long readyAt) => Take(response, Errno.None, readyAt);

    public Answer Of(Errno error, long readyAt) => Take([], error, readyAt);

    /// <summary>Takes back an answer that nobody uses any more, and whose bytes are all wiped.</summary>
    internal void Return(Answer unused)
    {
        lock (_gate)
        {
            if (_free.Count < Kept)
            {
                _free.Push(unused);
            }
        }
    }

    private Answer Take(ReadOnlySpan<byte> response, Errno error, long readyAt)
    {
        Answer? answer;
        lock (_gate)
        {
            _free.TryPop(out answer);
        }

        answer ??= new Answer(this);
        answer.Become(response, error, readyAt);
        return answer;
    }
}
