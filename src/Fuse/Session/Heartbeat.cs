namespace TpmFs.Fuse.Session;

/// <summary>
/// A sign of life that is asked of the threads that serve a session: each passes here when it comes round to the next
/// request.
/// </summary>
internal sealed class Heartbeat
{
    private TaskCompletionSource? _asked;

    /// <summary>Completes with the next sign of life. Asked again before that, it is the same question.</summary>
    public Task Ask()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return (Interlocked.CompareExchange(ref _asked, asked, null) ?? asked).Task;
    }

    /// <summary>A thread comes round. On every request's way, where it costs one look.</summary>
    public void Pass()
    {
        if (Volatile.Read(ref _asked) is not null)
        {
            Interlocked.Exchange(ref _asked, null)?.TrySetResult();
        }
    }

    /// <summary>Nobody will come round any more.</summary>
    public void Cancel() => Interlocked.Exchange(ref _asked, null)?.TrySetCanceled();
}
