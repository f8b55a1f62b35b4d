using Serilog;
using TpmFs.Clients;
using TpmFs.Configuration;
using TpmFs.HandOver;
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
    private volatile bool _isEnding;

    /// <param name="succession">Where it finds what the daemon before held, and keeps what this one holds.</param>
    public ServedTpm(TpmPlan plan, Settings settings, Succession succession, ILogger log)
    {
        Plan = plan;
        ResourceManagerOptions options = ManagerOptions.For(plan.Spec, settings);
        ManagerMirror? inheritance = TpmInheritance.Open(plan, options.FlushAtStart, succession, log);
        _manager = new ResourceManager(
            plan.Transport, options, TimeProvider.System, new ManagerLog(log, plan.Number), inheritance);
        Port = new TpmPort(
            plan.Number,
            _manager.OpenSpace,
            (owner, client) => _manager.TryOpenRaw(owner, client, out Space? space) ? space : null,
            () => _manager.Facts,
            _manager.OpenGroup,
            _manager.EndGroup)
        {
            Reopen = inheritance is { IsAdopted: true } ? _manager.ReopenSpace : null,
        };
        Status = new TpmStatus(plan.Number, plan.Way, () => _manager.Facts, () => Problem)
        {
            FindUnanswered = () => _manager.Unanswered,
        };
    }

    public TpmPlan Plan { get; }

    /// <summary>Gets what ends the process, with a message and what went wrong. For tests.</summary>
    public Action<string, Exception> FailFast { get; init; } = Environment.FailFast;

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

    /// <summary>
    /// Ends what runs, within a while, and leaves everything to the next daemon. Nothing is carried out afterwards.
    /// </summary>
    public void Halt()
    {
        _isEnding = true;
        _manager.Halt(s_startPatience);
    }

    /// <summary>The process that computes its answers, where it is the daemon's own; else 0.</summary>
    public int ServerProcess => Plan.Transport.ServerProcess;

    /// <summary>
    /// Gets what the manager has from the one before; null where there was none, or before the start.
    /// </summary>
    public ManagerAdoption? Adopted => _manager.Adopted;

    /// <summary>Does something when the start has succeeded or failed.</summary>
    public void WhenStarted(Action action) => _start.ContinueWith(_ => action(), TaskScheduler.Default);

    public void Suspend(Action saved) => _manager.Suspend(saved);

    public void Resume() => _manager.Resume();

    public void CancelRunning() => _manager.CancelRunning();

    /// <summary>Ends what runs and gives the TPM back; what is done already is not done again.</summary>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _isEnding = true;
            _start.Wait(s_startPatience);
            _manager.Dispose();
        }
    }

    private string ServeAsAway(Task<string> tried)
    {
        try
        {
            if (tried.Result.Length > 0)
            {
                _manager.Start();
            }

            return tried.Result;
        }
        catch (Exception problem) when (!_isEnding)
        {
            // Nobody waits for this task, and openers would wait for ever. The next daemon may go on with what is kept;
            // where three in a row cannot, the last one drops it.
            FailFast($"TPM {Plan.Number} could not be started", problem);
            throw;
        }
    }
}
