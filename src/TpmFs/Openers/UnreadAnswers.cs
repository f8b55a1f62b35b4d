using System.Collections.Concurrent;

namespace TpmFs.Openers;

/// <summary>
/// The open openers of the daemon, and the one timer that drops what none of them has read for 120 s, as Linux does
/// (drivers/char/tpm/tpm-dev-common.c). Any thread.
/// </summary>
/// <remarks>
/// An opener checks its own answer's age whenever it is used, so the timer only wipes and wakes. It is armed for the
/// first unread answer, and when it fires for the oldest that is left then: nothing is done for an answer that is read
/// in time.
/// </remarks>
internal sealed class UnreadAnswers : IDisposable
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(120);

    private readonly ConcurrentDictionary<Opener, byte> _openers = new();
    private readonly ITimer _timer;
    private int _armed;

    public UnreadAnswers(TimeProvider time)
    {
        _timer = time.CreateTimer(
            static self => ((UnreadAnswers)self!).Sweep(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Add(Opener opener) => _openers.TryAdd(opener, 0);

    public void Remove(Opener opener) => _openers.TryRemove(opener, out _);

    /// <summary>An answer became ready and is not read yet.</summary>
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
        // Before the openers are looked at: an answer that comes after its opener was looked at arms the timer itself.
        Volatile.Write(ref _armed, 0);
        TimeSpan next = Timeout.InfiniteTimeSpan;
        foreach (Opener opener in _openers.Keys)
        {
            if (opener.DropIfUnread() is { } left && (next == Timeout.InfiniteTimeSpan || left < next))
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
