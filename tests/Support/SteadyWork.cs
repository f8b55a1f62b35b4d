namespace TpmFs.TestSupport;

/// <summary>Measures what work allocates that is done again and again.</summary>
public static class SteadyWork
{
    private const int Rounds = 1000;
    private const int Passes = 10;

    /// <summary>
    /// Returns how many bytes a thousand rounds allocate on this thread, in the pass of ten that allocates least.
    /// </summary>
    /// <remarks>
    /// The first pass makes what is made once. Later, too, the runtime now and then allocates some kilobytes for
    /// itself on the thread that happens to run. A round that allocates does so in every pass.
    /// </remarks>
    /// <param name="round">The work.</param>
    public static long AllocatedBy(Action round)
    {
        long least = long.MaxValue;
        for (int pass = 0; pass < Passes && least > 0; pass++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < Rounds; i++)
            {
                round();
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
