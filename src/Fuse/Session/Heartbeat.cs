namespace TpmFs.Fuse.Session;

/// <summary>
/// A sign of life that is asked of the threads that serve a session: each passes here when it comes round to the next
/// request.
/// </summary>
internal sealed class Heartbeat
{
    /// <summary>The time that the asking thread waits before it interrupts the reader again.</summary>
    private static readonly TimeSpan s_askAgain = TimeSpan.FromMilliseconds(100);

    private TaskCompletionSource? _asked;

    /// <summary>
    /// Completes with the next sign of life; cancelled when the session ends before that.
    /// </summary>
    /// <param name="ending">Completes when the session ends.</param>
    /// <param name="interrupt">Has the thread that reads come round.</param>
    public async Task AskUntilAsync(Task ending, Action interrupt)
    {
        Task beat = Ask();
        while (!beat.IsCompleted)
        {
            if (ending.IsCompleted)
            {
                Cancel();
                break;
            }

            // Again and again: a signal that comes just before the holder reads does nothing.
            interrupt();
            await Task.WhenAny(beat, ending, Task.Delay(s_askAgain)).ConfigureAwait(false);
        }

        await beat.ConfigureAwait(false);
    }

    /// <summary>A thread comes round. On every request's way, where it costs one look.</summary>
    public void Pass()
    {
        if (Volatile.Read(ref _asked) is not null)
        {
            Interlocked.Exchange(ref _asked, null)?.TrySetResult();
        }
    }

    /// <summary>Returns the question that is open, or a new one.</summary>
    private Task Ask()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return (Interlocked.CompareExchange(ref _asked, asked, null) ?? asked).Task;
    }

    /// <summary>No thread comes round any more.</summary>
    private void Cancel() => Interlocked.Exchange(ref _asked, null)?.TrySetCanceled();
}
