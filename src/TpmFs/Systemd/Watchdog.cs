namespace TpmFs.Systemd;

/// <summary>
/// Tells a service manager that requests are served, as long as they are: after each sign of life of the threads that
/// serve, and only then. A slow TPM does not matter; threads that hang do.
/// </summary>
internal sealed class Watchdog : IDisposable
{
    /// <summary>The number of signs of life that fit into the time in which the service manager wants one.</summary>
    private const int Margin = 3;

    private readonly CancellationTokenSource _end = new();
    private readonly Task _task;

    /// <param name="time">Within which the service manager wants to hear.</param>
    /// <param name="beat">Completes with a sign of life; is cancelled when there will be none any more.</param>
    /// <param name="tell">Tells the service manager.</param>
    /// <param name="clock">Counts the time.</param>
    public Watchdog(TimeSpan time, Func<Task> beat, Action tell, TimeProvider clock) =>
        _task = RunAsync(time / Margin, beat, tell, clock);

    public void Dispose()
    {
        _end.Cancel();
        _task.GetAwaiter().GetResult();
        _end.Dispose();
    }

    private async Task RunAsync(TimeSpan pause, Func<Task> beat, Action tell, TimeProvider clock)
    {
        try
        {
            while (true)
            {
                await beat().WaitAsync(_end.Token).ConfigureAwait(false);
                tell();
                await Task.Delay(pause, clock, _end.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed of, or nobody serves any more.
        }
    }
}
