namespace TpmFs.Fuse.Placement;

/// <summary>The system calls with which threads are looked at and placed.</summary>
internal interface IThreadControl
{
    /// <summary>The calling thread's id.</summary>
    int CurrentThread { get; }

    /// <summary>
    /// Reads on which CPUs threads of this process may run where nobody places them. What the administrator allows
    /// (cpuset, CPUAffinity=, taskset) may change at any time.
    /// </summary>
    bool TryGetAllowed(CpuSet cpus);

    /// <summary>Reads on which CPUs a thread may run now.</summary>
    bool TryGetAffinity(int thread, CpuSet cpus);

    /// <returns>False where the thread has ended, or none of the CPUs is there for it.</returns>
    bool TrySetAffinity(int thread, CpuSet cpus);

    SchedulingClass ClassOf(int thread);

    bool TrySetClass(int thread, SchedulingClass wanted);

    /// <summary>Puts a thread that is in class SCHED_IDLE into the usual one.</summary>
    void LeaveIdleClass(int thread)
    {
        if (ClassOf(thread) == SchedulingClass.Idle)
        {
            _ = TrySetClass(thread, SchedulingClass.Other);
        }
    }

    /// <summary>
    /// Returns the CPU on which a client's thread ran last; null where that cannot be told. The thread must not end
    /// meanwhile: whoever reads its stat file then takes its memory down in its place, and may wait for ever for the
    /// memory's users (exit_aio).
    /// </summary>
    int? LastCpuOf(uint thread);

    /// <summary>True when a thread of this process runs or waits for a CPU.</summary>
    bool IsReady(int thread);

    /// <summary>Reads what a thread, of whatever process, has waited for a CPU.</summary>
    bool TryGetWaits(int thread, out CpuWaits waits);

    /// <summary>Somebody places this thread of this process: nobody else is to touch it.</summary>
    void Claim(int thread);

    /// <summary>Nobody places the thread any more.</summary>
    void Disclaim(int thread);

    /// <summary>Visits each thread of this process that nobody has claimed. Nobody claims it meanwhile.</summary>
    void VisitUnclaimed(Action<int> visit);
}
