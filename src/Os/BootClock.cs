namespace TpmFs.Os;

/// <summary>The kernel's clocks since the machine was booted (clock_gettime(2)).</summary>
public static unsafe class BootClock
{
    private const int Monotonic = 1;
    private const int BootTime = 7;

    /// <summary>
    /// Returns how long the machine has slept since it was booted: the difference of two clocks, of which one stands
    /// still meanwhile.
    /// </summary>
    public static TimeSpan TimeAsleep()
    {
        LibC.TimeSpec awake, always;
        return LibC.clock_gettime(Monotonic, &awake) == 0 && LibC.clock_gettime(BootTime, &always) == 0
            ? always.AsSpan - awake.AsSpan
            : TimeSpan.Zero;
    }
}
