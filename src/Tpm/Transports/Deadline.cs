using System.Diagnostics;

namespace TpmFs.Tpm.Transports;

/// <summary>A moment on the monotonic clock past which nobody waits.</summary>
internal readonly struct Deadline
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(7);
    private readonly long _timestamp;

    private Deadline(long timestamp) => _timestamp = timestamp;

    /// <summary>That long from now; <see cref="Timeout.InfiniteTimeSpan"/> and all above a week are a week.</summary>
    public static Deadline After(TimeSpan time)
    {
        TimeSpan bounded = time > Longest || time == Timeout.InfiniteTimeSpan ? Longest : time;
        return new(Stopwatch.GetTimestamp() + (long)(bounded.TotalSeconds * Stopwatch.Frequency));
    }

    /// <summary>What is left, never negative.</summary>
    public TimeSpan Remaining
    {
        get
        {
            long now = Stopwatch.GetTimestamp();
            return now >= _timestamp ? TimeSpan.Zero : Stopwatch.GetElapsedTime(now, _timestamp);
        }
    }

    public bool Passed => Remaining == TimeSpan.Zero;

    /// <summary>This deadline, or <paramref name="time"/> from now when that is sooner.</summary>
    public Deadline OrAfter(TimeSpan time)
    {
        Deadline other = After(time);
        return other._timestamp < _timestamp ? other : this;
    }

    /// <summary>
    /// What is left in milliseconds, rounded up to whole tens: never 0, which a socket takes for "for ever", unless it has passed; and
    /// the same number for waits that begin within 10 ms, so that the socket need not be told each time.
    /// </summary>
    public int SocketTimeout => (int)Math.Ceiling(Remaining.TotalMilliseconds / 10) * 10;
}
