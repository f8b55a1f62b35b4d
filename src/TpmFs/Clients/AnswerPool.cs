namespace TpmFs.Clients;

/// <summary>Answers that are not in use, so that a command makes none. Any thread.</summary>
internal sealed class AnswerPool(BytesPool bytes)
{
    /// <summary>The most answers that are kept for reuse.</summary>
    private const int Kept = 64;

    private readonly Lock _gate = new();
    private readonly Stack<Answer> _free = new(Kept);

    /// <summary>Returns an answer that is a response.</summary>
    public Answer Of(KeptBytes response, long readyAt) => Take(response, Errno.None, readyAt);

    /// <summary>Returns an answer that is an error.</summary>
    public Answer Of(Errno error, long readyAt) => Take(null, error, readyAt);

    /// <summary>Takes back an answer that nobody uses any more.</summary>
    internal void Return(Answer unused, KeptBytes? response)
    {
        if (response is not null)
        {
            bytes.Return(response);
        }

        lock (_gate)
        {
            if (_free.Count < Kept)
            {
                _free.Push(unused);
            }
        }
    }

    private Answer Take(KeptBytes? response, Errno error, long readyAt)
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
