using Serilog;
using TpmFs.Policy;

namespace TpmFs.Clients;

/// <summary>What all conversations of the daemon share. Any thread.</summary>
internal sealed class ConversationContext(TimeProvider time, ILogger log) : IDisposable
{
    private ulong _lastId;

    public TimeProvider Time => time;

    public ILogger Log => log;

    /// <summary>Gets what drops answers that nobody reads.</summary>
    public UnreadAnswers UnreadAnswers { get; } = new(time);

    public AnswerPool Answers { get; } = new();

    /// <summary>Gets what tells to whose share a client's doings are put down.</summary>
    public Payers Payers { get; init; } = new();

    /// <summary>Returns the number of a new conversation. No number is used twice while the daemon lives.</summary>
    public ulong NextId() => Interlocked.Increment(ref _lastId);

    public void Dispose() => UnreadAnswers.Dispose();
}
