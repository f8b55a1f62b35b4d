namespace TpmFs.Fuse.Placement;

/// <summary>How the reader is scheduled, and why.</summary>
/// <param name="Placement">Places the reader; null where nothing does.</param>
/// <param name="Mode">"follow" or "plain".</param>
/// <param name="Reason">Why it is not as was asked; empty where it is.</param>
internal sealed record PlacementChoice(ReaderPlacement? Placement, string Mode, string Reason)
{
    /// <summary>Finds out what this process may do.</summary>
    /// <param name="follow">Null where the reader is to be left alone.</param>
    /// <param name="threads">The system calls.</param>
    /// <param name="time">The clock.</param>
    public static PlacementChoice For(FollowOptions? follow, IThreadControl threads, TimeProvider time)
    {
        if (follow is null)
        {
            return Plain("");
        }

        if (threads.ClassOf(Environment.ProcessId) != SchedulingClass.Other)
        {
            return Plain("the daemon was started in a scheduling class of its own");
        }

        if (!threads.TryGetWaits(Environment.ProcessId, out _))
        {
            return Plain("the kernel does not count how long threads wait (/proc/PID/schedstat)");
        }

        bool mayIdle = CanLeaveIdleClass(threads);
        return new PlacementChoice(
            new ReaderPlacement(
                threads, new CompanionPlacement(threads, new Companions(threads, follow.Companions), time), mayIdle,
                time),
            "follow",
            mayIdle ? "" : "in the usual class, since the daemon may not leave SCHED_IDLE once it is in it: give it "
                + "CAP_SYS_NICE, or LimitNICE=+0");
    }

    /// <summary>Returns the mode, why, and what came of it so far: for people.</summary>
    public string Describe()
    {
        string mode = Reason.Length == 0 ? Mode : $"{Mode}: {Reason}";
        return Placement is not { } placement ? mode : $"{mode}; "
            + $"{(placement.Cpu is { } cpu ? $"on CPU {cpu} now" : "not placed now")}, "
            + $"placed {Times(placement.Moves)}, gave way {Times(placement.Starvations)}, "
            + $"TPM on another CPU {Times(placement.Companions.TimesApart)}";
    }

    private static string Times(long count) => count == 1 ? "once" : $"{count} times";

    private static PlacementChoice Plain(string reason) => new(null, "plain", reason);

    /// <summary>Tries it on a thread that ends afterwards: without the permission it could never come back.</summary>
    private static bool CanLeaveIdleClass(IThreadControl threads)
    {
        bool can = false;
        var trial = new Thread(() => can =
            threads.TrySetClass(0, SchedulingClass.Idle) && threads.TrySetClass(0, SchedulingClass.Other));
        trial.Start();
        trial.Join();
        return can;
    }
}
