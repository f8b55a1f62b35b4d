namespace TpmFs.Os;

/// <summary>The CPU time of the calling thread (clock_gettime(2)).</summary>
public static unsafe class ThreadClock
{
    private const int ThreadCpuTime = 3;

    /// <summary>Gets how long the calling thread has run on a CPU, in its own code and in the kernel's.</summary>
    public static TimeSpan CpuTime
    {
        get
        {
            LibC.TimeSpec now;
            return LibC.clock_gettime(ThreadCpuTime, &now) == 0 ? now.AsSpan : TimeSpan.Zero;
        }
    }
}
