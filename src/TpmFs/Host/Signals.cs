using System.Runtime.InteropServices;
using Mono.Unix.Native;

namespace TpmFs.Host;

/// <summary>
/// SIGTERM and SIGINT ask the daemon to stop; a second one does not wait for it. SIGHUP asks it to reload its
/// configuration, but when its terminal has gone away with it. SIGUSR2 asks it to hand over to the program that is
/// installed now.
/// </summary>
internal sealed class Signals : IDisposable
{
    private readonly TaskCompletionSource<PosixSignal> _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] _registrations;
    private readonly bool _hadTerminal = Syscall.isatty(0);
    private volatile TaskCompletionSource _reload = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile TaskCompletionSource _handOver = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Action? _force;

    public Signals()
    {
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, Reload),
            PosixSignalRegistration.Create((PosixSignal)ProcessCalls.SigUsr2, HandOver),
        ];
    }

    /// <summary>Completes with the first signal to stop.</summary>
    public Task<PosixSignal> Asked => _asked.Task;

    /// <summary>Completes when a reload is asked for that has not begun.</summary>
    public Task ReloadAsked => _reload.Task;

    /// <summary>The reload that was asked for begins; who asks from now on asks for another.</summary>
    public void Reloading() => _reload = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when a hand-over is asked for that has not begun.</summary>
    public Task HandOverAsked => _handOver.Task;

    /// <summary>The hand-over that was asked for begins; who asks from now on asks for another.</summary>
    public void HandingOver() =>
        _handOver = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>
    /// Names the action that a second signal to stop takes, on the signals' thread, before the process exits with 1.
    /// </summary>
    public void OnSecond(Action action) => _force = action;

    public void Dispose() => Array.ForEach(_registrations, registration => registration.Dispose());

    private void Reload(PosixSignalContext context)
    {
        if (_hadTerminal && !Syscall.isatty(0))
        {
            Stop(context);
            return;
        }

        context.Cancel = true;
        _reload.TrySetResult();
    }

    private void HandOver(PosixSignalContext context)
    {
        context.Cancel = true;
        _handOver.TrySetResult();
    }

    private void Stop(PosixSignalContext context)
    {
        context.Cancel = true;
        if (!_asked.TrySetResult(context.Signal))
        {
            _force?.Invoke();
            Environment.Exit(1);
        }
    }
}
