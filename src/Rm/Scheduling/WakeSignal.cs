namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Wakes the manager's thread. A signal that is set while that thread is awake ends its next wait at once.
/// </summary>
internal sealed class WakeSignal(TimeProvider time)
{
    private readonly object _gate = new();
    private bool _isSet;

    /// <summary>
    /// The time at which the manager's thread wakes by itself. While the thread is awake this is later than every time,
    /// since the thread may be about to sleep for long.
    /// </summary>
    private long _sleepsUntil = long.MaxValue;

    /// <summary>Wakes the manager's thread. Any thread.</summary>
    public void Set()
    {
        lock (_gate)
        {
            _isSet = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Wakes the manager's thread if it would sleep longer than this. Any thread.</summary>
    public void SetWithin(TimeSpan longest)
    {
        lock (_gate)
        {
            if (TimestampAfter(longest) < _sleepsUntil)
            {
                Set();
            }
        }
    }

    /// <summary>
    /// Sleeps until the signal is set, or for the time given. Does not sleep when the signal was set before. The
    /// manager's thread.
    /// </summary>
    public void Wait(TimeSpan longest)
    {
        lock (_gate)
        {
            if (!_isSet)
            {
                _sleepsUntil = longest == Timeout.InfiniteTimeSpan ? long.MaxValue : TimestampAfter(longest);
                Monitor.Wait(_gate, longest);
                _sleepsUntil = long.MaxValue;
            }

            _isSet = false;
        }
    }

    private long TimestampAfter(TimeSpan span) =>
        time.GetTimestamp() + (long)(span.TotalSeconds * time.TimestampFrequency);
}
