namespace TpmFs.Rm;

/// <summary>What wakes the manager's thread. Rung while that is awake, it lets it not fall asleep.</summary>
internal sealed class ManagerBell(TimeProvider time)
{
    private readonly object _gate = new();
    private bool _isRung;

    /// <summary>
    /// When the manager's thread wakes by itself; past every time while it is awake, since it may be about to sleep for
    /// long.
    /// </summary>
    private long _sleepsUntil = long.MaxValue;

    /// <summary>Any thread.</summary>
    public void Ring()
    {
        lock (_gate)
        {
            _isRung = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Rings where the manager's thread would sleep longer than this. Any thread.</summary>
    public void RingWithin(TimeSpan longest)
    {
        lock (_gate)
        {
            if (TimestampAfter(longest) < _sleepsUntil)
            {
                Ring();
            }
        }
    }

    /// <summary>
    /// The manager's thread sleeps until the bell rings, at the longest for this time; not at all where it rang before.
    /// </summary>
    public void Await(TimeSpan longest)
    {
        lock (_gate)
        {
            if (!_isRung)
            {
                _sleepsUntil = longest == Timeout.InfiniteTimeSpan ? long.MaxValue : TimestampAfter(longest);
                Monitor.Wait(_gate, longest);
                _sleepsUntil = long.MaxValue;
            }

            _isRung = false;
        }
    }

    private long TimestampAfter(TimeSpan span) =>
        time.GetTimestamp() + (long)(span.TotalSeconds * time.TimestampFrequency);
}
