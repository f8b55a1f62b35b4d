namespace TpmFs.Fuse.Placement;

/// <summary>
/// The processes that are placed with the reader: the TPMs of the daemon's own. One that somebody else has placed is
/// left where it is.
/// </summary>
/// <remarks>
/// They enter class SCHED_IDLE with the reader. A process of the usual class that has just gone to sleep may stay in
/// its CPU's queue for a while (the kernel's feature DELAY_DEQUEUE), and the CPU counts as busy meanwhile: the client
/// would wake up on another one.
/// </remarks>
internal sealed class Companions(IThreadControl threads, IReadOnlyList<Func<int>> processes)
{
    private readonly int[] _moved = new int[processes.Count];
    private readonly CpuSet _found = new();

    /// <summary>Returns what the processes that were moved have waited for a CPU, all together.</summary>
    public CpuWaits Waits
    {
        get
        {
            CpuWaits all = default;
            foreach (int process in _moved)
            {
                all += process != 0 && threads.TryGetWaits(process, out CpuWaits waits) ? waits : default;
            }

            return all;
        }
    }

    /// <summary>Moves them all. Those that were not moved before count in <see cref="Waits"/> from now on.</summary>
    /// <param name="allowed">Where they run while nobody places them.</param>
    /// <param name="wanted">Where they are to run.</param>
    /// <param name="isIdle">True to put them into class SCHED_IDLE.</param>
    /// <returns>True when other processes are moved than before.</returns>
    public bool Move(CpuSet allowed, CpuSet wanted, bool isIdle)
    {
        bool isNew = false;
        for (int i = 0; i < _moved.Length; i++)
        {
            int process = processes[i]();
            bool isOurs = process != 0 && threads.TryGetAffinity(process, _found)
                && (process == _moved[i] || MayBePlaced(process, allowed));
            int moved = isOurs && TryMove(process, wanted, isIdle) ? process : 0;
            isNew |= moved != _moved[i];
            _moved[i] = moved;
        }

        return isNew;
    }

    /// <summary>Lets those that were moved run anywhere again, in the usual class.</summary>
    public void Free(CpuSet allowed)
    {
        for (int i = 0; i < _moved.Length; i++)
        {
            if (_moved[i] != 0 && _moved[i] == processes[i]())
            {
                Free(_moved[i], allowed);
            }

            _moved[i] = 0;
        }
    }

    /// <summary>
    /// True when nobody has placed the process, whose place is <see cref="_found"/>, and its waits can be read:
    /// otherwise it might starve unseen.
    /// </summary>
    private bool MayBePlaced(int process, CpuSet allowed) => _found.Equals(allowed)
        && threads.ClassOf(process) == SchedulingClass.Other && threads.TryGetWaits(process, out _);

    private bool TryMove(int process, CpuSet wanted, bool isIdle)
    {
        bool canMove = _found.Equals(wanted) || threads.TrySetAffinity(process, wanted);
        if (canMove && isIdle)
        {
            _ = threads.TrySetClass(process, SchedulingClass.Idle);
        }
        else if (canMove)
        {
            threads.LeaveIdleClass(process);
        }

        return canMove;
    }

    private void Free(int process, CpuSet allowed)
    {
        _ = threads.TrySetAffinity(process, allowed);
        threads.LeaveIdleClass(process);
    }
}
