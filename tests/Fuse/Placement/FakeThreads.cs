using TpmFs.Fuse.Placement;
using TpmFs.Os;

namespace TpmFs.Fuse.Tests.Placement;

/// <summary>A machine of four CPUs with threads that stand still.</summary>
internal sealed class FakeThreads : IThreadControl
{
    /// <summary>A TPM's process.</summary>
    public const int Tpm = 200;

    /// <summary>The thread that makes the calls.</summary>
    public const int Watcher = 300;

    /// <summary>The CPUs on which each thread may run; a thread that is not here may run on all allowed ones.</summary>
    private readonly Dictionary<int, int[]> _affinities = [];
    private readonly Dictionary<int, SchedulingClass> _classes = [];

    /// <summary>The CPUs of the machine.</summary>
    public static int[] All { get; } = [0, 1, 2, 3];

    public int[] Allowed { get; set; } = All;

    /// <summary>The CPUs that are switched on.</summary>
    public int[] Online { get; set; } = All;

    public int? ClientCpu { get; set; } = 2;

    /// <summary>
    /// Gets or sets what says where the client is at each look; the client is at <see cref="ClientCpu"/> where this is
    /// null.
    /// </summary>
    public Func<int?>? FindClient { get; set; }

    public bool CountsWaits { get; set; } = true;

    /// <summary>The threads that run, or wait for a CPU, at every look.</summary>
    public HashSet<int> Ready { get; } = [];

    public HashSet<int> Claimed { get; } = [];

    public int CurrentThread => Watcher;

    public bool MayLeaveIdle { get; set; } = true;

    /// <summary>How long, and how often, the reader has waited for its CPU.</summary>
    public CpuWaits Waits { get; set; }

    /// <summary>The same of other threads; a thread that is not here has not waited.</summary>
    public Dictionary<int, CpuWaits> OthersWaits { get; } = [];

    /// <summary>The threads of the daemon itself.</summary>
    public List<int> Own { get; } = [];

    public int[] AffinityOf(int thread) => _affinities.GetValueOrDefault(thread, Allowed);

    public void Pin(int thread, int[] cpus) => _affinities[thread] = cpus;

    public void PutInto(int thread, SchedulingClass wanted) => _classes[thread] = wanted;

    public bool TryGetAllowed(CpuSet cpus) => Fill(cpus, Allowed);

    public bool TryGetAffinity(int thread, CpuSet cpus) => Fill(cpus, AffinityOf(thread));

    public bool TrySetAffinity(int thread, CpuSet cpus)
    {
        int[] wanted = [.. All.Where(cpus.Contains)];
        if (!wanted.Intersect(Online).Any())
        {
            return false;
        }

        _affinities[thread] = wanted;
        return true;
    }

    public SchedulingClass ClassOf(int thread) => _classes.GetValueOrDefault(thread, SchedulingClass.Other);

    public bool TrySetClass(int thread, SchedulingClass wanted)
    {
        if (ClassOf(thread) == SchedulingClass.Idle && !MayLeaveIdle)
        {
            return false;
        }

        _classes[thread] = wanted;
        return true;
    }

    public int? LastCpuOf(uint thread) => FindClient is null ? ClientCpu : FindClient();

    public bool IsReady(int thread) => Ready.Contains(thread);

    public bool TryGetWaits(int thread, out CpuWaits waits)
    {
        waits = OthersWaits.TryGetValue(thread, out CpuWaits others) ? others : thread == Tpm ? default : Waits;
        return CountsWaits;
    }

    public void Claim(int thread) => Claimed.Add(thread);

    public void Disclaim(int thread) => Claimed.Remove(thread);

    public void VisitUnclaimed(Action<int> visit) =>
        Own.Where(thread => !Claimed.Contains(thread)).ToList().ForEach(visit);

    private static bool Fill(CpuSet cpus, int[] with)
    {
        cpus.Clear();
        Array.ForEach(with, cpus.Add);
        return true;
    }
}
