namespace TpmFs.Fuse.Placement;

/// <summary>Keeps the daemon's other threads off the CPU on which the reader is placed.</summary>
/// <remarks>
/// The reader's CPU counts as idle, so a thread that ran there before would wake up there again. While it runs, the CPU
/// does not count as idle any more, and the client leaves.
/// </remarks>
internal sealed class Bystanders(IThreadControl threads)
{
    private readonly CpuSet _found = new();
    private readonly CpuSet _others = new();
    private int _watching;

    /// <summary>The calling thread, which wakes up often, runs on the other CPUs from now on.</summary>
    /// <param name="allowed">Where it runs while nobody is placed: two CPUs at least.</param>
    /// <param name="cpu">The reader's CPU.</param>
    public void KeepAway(CpuSet allowed, int cpu)
    {
        _others.CopyFrom(allowed);
        _others.Remove(cpu);
        _watching = threads.CurrentThread;
        threads.Claim(_watching);
        _ = threads.TrySetAffinity(_watching, _others);
    }

    /// <summary>
    /// Frees threads that a placed one has started: they began in its class, on its CPU. The runtime starts some
    /// whenever it likes.
    /// </summary>
    /// <param name="allowed">Where threads run that nobody places.</param>
    public void FreeStarted(CpuSet allowed) => threads.VisitUnclaimed(thread =>
    {
        threads.LeaveIdleClass(thread);
        if (threads.TryGetAffinity(thread, _found) && !_found.Equals(allowed))
        {
            _ = threads.TrySetAffinity(thread, allowed);
        }
    });

    /// <summary>Lets the thread that was kept away run anywhere again.</summary>
    public void Release(CpuSet allowed)
    {
        if (_watching != 0)
        {
            _ = threads.TrySetAffinity(_watching, allowed);
            threads.Disclaim(_watching);
            _watching = 0;
        }
    }
}
