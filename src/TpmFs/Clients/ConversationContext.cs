using Serilog;
using TpmFs.Policy;
using TpmFs.Records;

namespace TpmFs.Clients;

/// <summary>The parts that all conversations of the daemon share. Any thread.</summary>
internal sealed class ConversationContext : IDisposable
{
    private readonly RecordedCounter _ids;

    /// <param name="time">The clock.</param>
    /// <param name="log">Learns what a person should know.</param>
    /// <param name="records">
    /// The store in which conversations are written down for the next daemon; null where there is none.
    /// </param>
    public ConversationContext(TimeProvider time, ILogger log, RecordStore? records = null)
    {
        Time = time;
        Log = log;
        Records = records;
        _ids = new RecordedCounter(records, CounterName.Conversations);
        UnreadAnswers = new UnreadAnswers(time);
        Bytes = new BytesPool(records);
        Answers = new AnswerPool(Bytes);
    }

    public TimeProvider Time { get; }

    public ILogger Log { get; }

    /// <summary>Gets where conversations are written down for the next daemon; null where there is none.</summary>
    public RecordStore? Records { get; }

    /// <summary>Gets what drops answers that nobody reads.</summary>
    public UnreadAnswers UnreadAnswers { get; }

    /// <summary>Gets the memory of commands and answers.</summary>
    public BytesPool Bytes { get; }

    public AnswerPool Answers { get; }

    /// <summary>Gets the places of conversations in all domains together.</summary>
    public TreePlaces Places { get; } = new(max: 65_536, administratorsPlaces: 4096);

    /// <summary>Gets the places of clients who can only read; see <see cref="Domain.TryAdmitReader"/>.</summary>
    public TreePlaces Readers { get; } = new(max: 4096, administratorsPlaces: 64);

    /// <summary>Gets what tells to whose share a client's doings are put down.</summary>
    public Payers Payers { get; init; } = new();

    /// <summary>
    /// Returns the number of a new conversation. No number is used twice, neither by this daemon nor by one that goes
    /// on with its conversations.
    /// </summary>
    public ulong NextId() => _ids.Next();

    public void Dispose() => UnreadAnswers.Dispose();
}
