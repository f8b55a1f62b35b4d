namespace TpmFs.Fuse.Placement;

/// <summary>The kernel's own answers. The main thread is never placed, so it shows what is allowed.</summary>
internal sealed class ThreadControl : IThreadControl
{
    /// <summary>The process's threads that are placed, by whichever session.</summary>
    private static readonly HashSet<int> s_claimed = [];
    private static readonly Lock s_claims = new();

    public int CurrentThread => ThreadCalls.CurrentThread;

    public bool TryGetAllowed(CpuSet cpus) => TryGetAffinity(Environment.ProcessId, cpus);

    public bool TryGetAffinity(int thread, CpuSet cpus) => !cpus.ReadFrom(thread).IsError;

    public bool TrySetAffinity(int thread, CpuSet cpus) => !cpus.ApplyTo(thread).IsError;

    public SchedulingClass ClassOf(int thread) => ThreadCalls.ClassOf(thread);

    public bool TrySetClass(int thread, SchedulingClass wanted) => !ThreadCalls.SetClass(thread, wanted).IsError;

    public int? LastCpuOf(uint thread) => ThreadCalls.LastCpuOf(thread);

    public bool IsReady(int thread) => ThreadCalls.IsReady(thread);

    public bool TryGetWaits(int thread, out CpuWaits waits) => ThreadCalls.TryGetWaits(thread, out waits);

    public void Claim(int thread)
    {
        lock (s_claims)
        {
            s_claimed.Add(thread);
        }
    }

    public void Disclaim(int thread)
    {
        lock (s_claims)
        {
            s_claimed.Remove(thread);
        }
    }

    public void VisitUnclaimed(Action<int> visit)
    {
        foreach (int thread in ThreadCalls.OwnThreads())
        {
            lock (s_claims)
            {
                if (!s_claimed.Contains(thread))
                {
                    visit(thread);
                }
            }
        }
    }
}
