using Serilog;
using TpmFs.Clients;
using TpmFs.Configuration;
using TpmFs.Logs;
using TpmFs.Power;
using TpmFs.Rm;
using TpmFs.Rm.Manager;
using TpmFs.Tree.Status;

namespace TpmFs.Host;

/// <summary>
/// One TPM of the daemon with its resource manager, which has a thread of its own: what happens to one TPM does not
/// touch another.
/// </summary>
internal sealed class ServedTpm : ISuspendable, IDisposable
{
    /// <summary>How long a start that is under way may hold up the end.</summary>
    private static readonly TimeSpan s_startPatience = TimeSpan.FromSeconds(10);

    private readonly ResourceManager _manager;
    private Task<string> _start = Task.FromResult("");
    private bool _isDisposed;

    public ServedTpm(TpmPlan plan, Settings settings, ILogger log)
    {
        Plan = plan;
        _manager = new ResourceManager(
            plan.Transport, ManagerOptions.For(plan.Spec, settings), TimeProvider.System,
            new ManagerLog(log, plan.Number));
        Port = new TpmPort(
            plan.Number,
            _manager.OpenSpace,
            (owner, client) => _manager.TryOpenRaw(owner, client, out Space? space) ? space : null,
            () => _manager.Facts,
            _manager.OpenGroup,
            _manager.EndGroup);
        Status = new TpmStatus(plan.Number, plan.Way, () => _manager.Facts, () => Problem);
    }

    public TpmPlan Plan { get; }

    public TpmPort Port { get; }

    public TpmStatus Status { get; }

    private string Problem =>
        _manager.Facts.Family == TpmFamily.Unknown && _manager.Problem.Length == 0
            ? "it has not answered yet" : _manager.Problem;

    /// <summary>Begins to start it. The result is what went wrong; empty when the TPM is served.</summary>
    public Task<string> StartAsync() => _start = Task.Run(() => _manager.TryStart(out string? problem) ? "" : problem);

    /// <summary>Serves it as soon as it has started, or as one that is away where it cannot be.</summary>
    public void ServeInAnyCase() =>
        _start = _start.ContinueWith(ServeAsAway, TaskContinuationOptions.ExecuteSynchronously);

    /// <summary>The process that computes its answers, where it is the daemon's own; else 0.</summary>
    public int ServerProcess => Plan.Transport.ServerProcess;

    public void Suspend(Action saved) => _manager.Suspend(saved);

    public void Resume() => _manager.Resume();

    public void CancelRunning() => _manager.CancelRunning();

    /// <summary>Ends what runs and gives the TPM back; what is done already is not done again.</summary>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _start.Wait(s_startPatience);
            _manager.Dispose();
        }
    }

    private string ServeAsAway(Task<string> tried)
    {
        if (tried.Result.Length > 0)
        {
            _manager.Start();
        }

        return tried.Result;
    }
}
