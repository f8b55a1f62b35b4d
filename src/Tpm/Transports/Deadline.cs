namespace TpmFs.Tpm.Transports;

/// <summary>
/// A moment at which waiting ends. Its clock, <see cref="Environment.TickCount64"/>, is cheap to read and ticks every 4
/// to 10 ms.
/// </summary>
internal readonly struct Deadline
{
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(7);
    private readonly long _moment; // as Environment.TickCount64 counts

    private Deadline(long moment) => _moment = moment;

    /// <summary>
    /// Returns the deadline <paramref name="time"/> from now. An infinite time, or one above a week, counts as a week.
    /// </summary>
    public static Deadline After(TimeSpan time)
    {
        TimeSpan bounded = time > s_longest || time == Timeout.InfiniteTimeSpan ? s_longest : time;
        return new(Environment.TickCount64 + (long)Math.Ceiling(bounded.TotalMilliseconds));
    }

    /// <summary>The time that is left; zero once the deadline has passed.</summary>
    public TimeSpan Remaining => TimeSpan.FromMilliseconds(Left);

    /// <summary>True once the deadline has passed.</summary>
    public bool Passed => Left == 0;

    /// <summary>Returns this deadline, or the one <paramref name="time"/> from now where that is sooner.</summary>
    public Deadline OrAfter(TimeSpan time)
    {
        Deadline other = After(time);
        return other._moment < _moment ? other : this;
    }

    /// <summary>
    /// The time that is left in milliseconds, rounded up to a multiple of ten. It is 0 only once the deadline has
    /// passed, since a socket takes 0 for "no limit". Waits that begin within 10 ms of each other get the same number,
    /// so the socket need not be told each time.
    /// </summary>
    public int SocketTimeout => (int)((Left + 9) / 10) * 10;

    private long Left => Math.Max(_moment - Environment.TickCount64, 0);
}
