using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse;

/// <summary>
/// Asks for a sign of life of the threads that serve a session, and takes it: each thread passes <see cref="Pass"/> when it comes round
/// to the next request, and <see cref="Bell"/> wakes one where there is none.
/// </summary>
internal sealed class Heartbeat : IDisposable
{
    private readonly SafeFileHandle _bell;
    private TaskCompletionSource? _asked;

    /// <exception cref="IOException">The process has no descriptor left.</exception>
    public Heartbeat()
    {
        var error = Native.EventFd(out _bell);
        if (error.IsError)
        {
            throw new IOException($"No eventfd can be made: errno {error.Value}.");
        }
    }

    /// <summary>An eventfd that is readable while a sign of life is asked for.</summary>
    public SafeFileHandle Bell => _bell;

    /// <summary>Completes with the next sign of life. Asked again before that, it is the same question.</summary>
    public Task Ask()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        asked = Interlocked.CompareExchange(ref _asked, asked, null) ?? asked;
        var error = Native.Signal(_bell);
        if (error.IsError)
        {
            asked.TrySetException(new IOException($"The threads of the session cannot be woken: errno {error.Value}."));
        }

        return asked.Task;
    }

    /// <summary>A thread comes round.</summary>
    /// <param name="isRung">Whether it was woken for nothing else, so that the bell has to be silenced.</param>
    public void Pass(bool isRung)
    {
        if (isRung || Volatile.Read(ref _asked) is not null)
        {
            Span<byte> count = stackalloc byte[sizeof(ulong)];
            _ = Native.Read(_bell, count, out _); // EAGAIN where another thread was faster
            Interlocked.Exchange(ref _asked, null)?.TrySetResult();
        }
    }

    /// <summary>Nobody will come round any more.</summary>
    public void Cancel() => Interlocked.Exchange(ref _asked, null)?.TrySetCanceled();

    public void Dispose() => _bell.Dispose();
}
