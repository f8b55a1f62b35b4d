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

    /// <summary>Returns the CPU on which a client's thread ran last; null where that cannot be told.</summary>
    int? LastCpuOf(uint thread);

    /// <summary>True when a thread runs or waits for a CPU.</summary>
    bool IsReady(int thread);

    /// <summary>Reads what a thread, of whatever process, has waited for a CPU.</summary>
    bool TryGetWaits(int thread, out CpuWaits waits);

    /// <summary>Returns the ids of this process's threads.</summary>
    IEnumerable<int> OwnThreads();
}
