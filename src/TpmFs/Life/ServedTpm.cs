using Serilog;
using TpmFs.Configuration;
using TpmFs.Domains;
using TpmFs.Logs;
using TpmFs.Power;
using TpmFs.Rm;
using TpmFs.Status;

namespace TpmFs.Life;

/// <summary>One TPM of the daemon with its resource manager, which has a thread of its own: what happens to one TPM does not touch another.</summary>
internal sealed class ServedTpm : ISuspendable, IDisposable
{
    /// <summary>How long a start that is under way may hold up the end.</summary>
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(10);

    private readonly ResourceManager manager;
    private Task<string> start = Task.FromResult("");
    private bool isDisposed;

    public ServedTpm(TpmPlan plan, Settings settings, ILogger log)
    {
        Plan = plan;
        manager = new ResourceManager(plan.Transport, ManagerOptions.For(plan.Way, settings), TimeProvider.System, new ManagerLog(log, plan.Number));
        Port = new TpmPort(
            plan.Number,
            manager.OpenSpace,
            (owner, client) => manager.TryOpenRaw(owner, client, out var space) ? space : null,
            () => manager.Facts,
            manager.EndGroup);
        Status = new TpmStatus(plan.Number, plan.Way, () => manager.Facts, () => Problem);
    }

    public TpmPlan Plan { get; }

    public TpmPort Port { get; }

    public TpmStatus Status { get; }

    private string Problem => manager.Facts.Family == TpmFamily.Unknown && manager.Problem.Length == 0 ? "it has not answered yet" : manager.Problem;

    /// <summary>Begins to start it. The result is what went wrong; empty when the TPM is served.</summary>
    public Task<string> StartAsync() => start = Task.Run(() => manager.TryStart(out var problem) ? "" : problem);

    /// <summary>Serves it as soon as it has started, or as one that is away where it cannot be.</summary>
    public void ServeInAnyCase() => start = start.ContinueWith(ServeAsAway, TaskContinuationOptions.ExecuteSynchronously);

    public void Suspend(Action saved) => manager.Suspend(saved);

    public void Resume() => manager.Resume();

    public void CancelRunning() => manager.CancelRunning();

    /// <summary>Ends what runs and gives the TPM back; what is done already is not done again.</summary>
    public void Dispose()
    {
        if (!isDisposed)
        {
            isDisposed = true;
            start.Wait(StartPatience);
            manager.Dispose();
        }
    }

    private string ServeAsAway(Task<string> tried)
    {
        if (tried.Result.Length > 0)
        {
            manager.Start();
        }

        return tried.Result;
    }
}
