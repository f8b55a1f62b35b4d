using System.Runtime.InteropServices;
using Mono.Unix.Native;

namespace TpmFs.Host;

/// <summary>
/// SIGTERM and SIGINT ask the daemon to stop; a second one does not wait for it. SIGHUP asks it to reload its
/// configuration, but when its terminal has gone away with it. SIGUSR2 asks it to hand over to the program that is
/// installed now. None is lost while one program executes the next: <see cref="LeaveToNext"/>.
/// </summary>
internal sealed class Signals : IDisposable
{
    private static readonly int[] s_ending = [ProcessCalls.SigTerm, ProcessCalls.SigInt];

    /// <summary>All that are handled. Each ends a process that does not handle it.</summary>
    private static readonly int[] s_all = [.. s_ending, ProcessCalls.SigHup, ProcessCalls.SigUsr2];

    /// <summary>How long a signal may take to its handler; it is there at once, but on a busy machine.</summary>
    private static readonly TimeSpan s_handling = TimeSpan.FromSeconds(2);

    private readonly TaskCompletionSource<PosixSignal> _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] _registrations;
    private readonly bool _hadTerminal = Syscall.isatty(0);
    private volatile TaskCompletionSource _reload = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile TaskCompletionSource _handOver = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Action? _force;

    /// <summary>
    /// Handles the signals from now on, also those that a program before left (<see cref="LeaveToNext"/>).
    /// </summary>
    public Signals()
    {
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, Reload),
            PosixSignalRegistration.Create((PosixSignal)ProcessCalls.SigUsr2, HandOver),
        ];
        SignalCalls.UnblockInThread(s_all);
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

    /// <summary>
    /// Leaves the signals to the program that the calling thread executes next. That program begins with all of them
    /// blocked, gets those that come from now on when it handles signals, and gets the first one that asked this
    /// process to stop. There is one moment in which a signal to stop neither waits nor has a handler: until the kernel
    /// has ended the other threads of this process, they get it. It ends the process then, by its default effect.
    /// Nothing is unmounted in that case: systemd does that by tpmfs-unmount.service, else the next daemon.
    /// </summary>
    public void LeaveToNext()
    {
        SignalCalls.BlockInThread(s_all);
        SignalCalls.RestoreDefault(s_ending);
        AwaitHandlers();
        if (_asked.Task.IsCompleted)
        {
            SignalCalls.RaiseInThread(Number(_asked.Task.Result));
        }
    }

    public void Dispose() => Array.ForEach(_registrations, registration => registration.Dispose());

    /// <summary>
    /// Waits until the signals that the process has got so far have come to their handlers: the runtime hands them out
    /// in their order, so another one that has come shows that those before it have.
    /// </summary>
    private void AwaitHandlers()
    {
        HandingOver();
        _ = ProcessCalls.Kill(Environment.ProcessId, ProcessCalls.SigUsr2);
        _ = HandOverAsked.Wait(s_handling);
    }

    private static int Number(PosixSignal signal) =>
        signal == PosixSignal.SIGINT ? ProcessCalls.SigInt : ProcessCalls.SigTerm;

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
