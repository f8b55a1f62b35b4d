using System.Collections.Concurrent;

namespace TpmFs.Clients;

/// <summary>
/// Has every conversation drop an answer that its client did not read within 120 s, as Linux does
/// (drivers/char/tpm/tpm-dev-common.c). Any thread.
/// </summary>
/// <remarks>
/// A conversation also checks its answer's age whenever it is used. The timer is for conversations that are not used:
/// it has their answers wiped, and wakes their clients. The timer is armed for the first unread answer, and when it
/// fires, for the oldest that is left then. So an answer that is read in time costs nothing.
/// </remarks>
internal sealed class UnreadAnswers : IDisposable
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(120);

    private readonly ConcurrentDictionary<Conversation, byte> _open = new();
    private readonly ITimer _timer;
    private int _armed;

    public UnreadAnswers(TimeProvider time)
    {
        _timer = time.CreateTimer(
            static self => ((UnreadAnswers)self!).Sweep(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Add(Conversation conversation) => _open.TryAdd(conversation, 0);

    public void Remove(Conversation conversation) => _open.TryRemove(conversation, out _);

    /// <summary>Sees to an answer that became ready and is not read yet.</summary>
    public void Watch()
    {
        if (Volatile.Read(ref _armed) == 0 && Interlocked.Exchange(ref _armed, 1) == 0)
        {
            _timer.Change(Lifetime, Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Sweep()
    {
        // Before the conversations are looked at: an answer that comes after its conversation was looked at arms the
        // timer itself.
        Volatile.Write(ref _armed, 0);
        TimeSpan next = Timeout.InfiniteTimeSpan;
        foreach (Conversation conversation in _open.Keys)
        {
            if (conversation.DropIfUnread() is { } left && (next == Timeout.InfiniteTimeSpan || left < next))
            {
                next = left;
            }
        }

        if (next != Timeout.InfiniteTimeSpan)
        {
            Volatile.Write(ref _armed, 1);
            _timer.Change(next, Timeout.InfiniteTimeSpan);
        }
    }
}
