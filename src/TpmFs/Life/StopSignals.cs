using System.Runtime.InteropServices;

namespace TpmFs.Life;

/// <summary>SIGTERM, SIGINT and SIGHUP ask the daemon to stop; a second one does not wait for it.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly TaskCompletionSource<PosixSignal> asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] registrations;
    private volatile Action? force;

    public StopSignals()
    {
        registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Take),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Take),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, Take),
        ];
    }

    /// <summary>Completes with the first signal.</summary>
    public Task<PosixSignal> Asked => asked.Task;

    /// <summary>What a second signal does, on the signals' thread, before the process exits with 1.</summary>
    public void OnSecond(Action action) => force = action;

    public void Dispose() => Array.ForEach(registrations, registration => registration.Dispose());

    private void Take(PosixSignalContext context)
    {
        context.Cancel = true;
        if (!asked.TrySetResult(context.Signal))
        {
            force?.Invoke();
            Environment.Exit(1);
        }
    }
}
