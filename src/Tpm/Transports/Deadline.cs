namespace TpmFs.Tpm.Transports;

/// <summary>A moment past which nobody waits, to the millisecond, by the monotonic clock that is cheap to read and ticks every few of them.</summary>
internal readonly struct Deadline
{
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(7);
    private readonly long _moment; // as Environment.TickCount64 counts

    private Deadline(long moment) => _moment = moment;

    /// <summary>That long from now; <see cref="Timeout.InfiniteTimeSpan"/> and all above a week are a week.</summary>
    public static Deadline After(TimeSpan time)
    {
        TimeSpan bounded = time > s_longest || time == Timeout.InfiniteTimeSpan ? s_longest : time;
        return new(Environment.TickCount64 + (long)Math.Ceiling(bounded.TotalMilliseconds));
    }

    /// <summary>What is left, never negative.</summary>
    public TimeSpan Remaining => TimeSpan.FromMilliseconds(Left);

    public bool Passed => Left == 0;

    /// <summary>This deadline, or <paramref name="time"/> from now when that is sooner.</summary>
    public Deadline OrAfter(TimeSpan time)
    {
        Deadline other = After(time);
        return other._moment < _moment ? other : this;
    }

    /// <summary>
    /// What is left in milliseconds, rounded up to whole tens: never 0, which a socket takes for "for ever", unless it has passed; and
    /// the same number for waits that begin within 10 ms, so that the socket need not be told each time.
    /// </summary>
    public int SocketTimeout => (int)((Left + 9) / 10) * 10;

    private long Left => Math.Max(_moment - Environment.TickCount64, 0);
}
