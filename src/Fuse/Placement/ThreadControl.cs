namespace TpmFs.Fuse.Placement;

/// <summary>The kernel's own answers. The main thread is never placed, so it shows what is allowed.</summary>
internal sealed class ThreadControl : IThreadControl
{
    public int CurrentThread => ThreadCalls.CurrentThread;

    public bool TryGetAllowed(CpuSet cpus) => TryGetAffinity(Environment.ProcessId, cpus);

    public bool TryGetAffinity(int thread, CpuSet cpus) => !cpus.ReadFrom(thread).IsError;

    public bool TrySetAffinity(int thread, CpuSet cpus) => !cpus.ApplyTo(thread).IsError;

    public SchedulingClass ClassOf(int thread) => ThreadCalls.ClassOf(thread);

    public bool TrySetClass(int thread, SchedulingClass wanted) => !ThreadCalls.SetClass(thread, wanted).IsError;

    public int? LastCpuOf(uint thread) => ThreadCalls.LastCpuOf(thread);

    public bool IsReady(int thread) => ThreadCalls.IsReady(thread);

    public bool TryGetWaits(int thread, out CpuWaits waits) => ThreadCalls.TryGetWaits(thread, out waits);

    public IEnumerable<int> OwnThreads() => ThreadCalls.OwnThreads();
}
