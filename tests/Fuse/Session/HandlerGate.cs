using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>Holds the session's threads in a handler until the test lets them go.</summary>
internal sealed class HandlerGate : IDisposable
{
    private readonly SemaphoreSlim _entered = new(0);
    private readonly SemaphoreSlim _leave = new(0);

    /// <summary>True when a handler waited until the deadline, and the test had not let it go.</summary>
    public bool IsOverdue { get; private set; }

    public void Dispose()
    {
        _entered.Dispose();
        _leave.Dispose();
    }

    /// <summary>A handler calls this: waits until the test lets the handler go, or until the deadline.</summary>
    public void Hold()
    {
        _entered.Release();
        if (!_leave.Wait(SessionFixture.Deadline))
        {
            IsOverdue = true;
        }
    }

    /// <summary>Does what <see cref="Hold"/> does, then completes a read.</summary>
    public void HoldRead(FuseReadReply read)
    {
        Hold();
        read.Complete("late"u8);
    }

    /// <summary>Waits until one more handler is held.</summary>
    public void AwaitHandler() => Assert.True(_entered.Wait(SessionFixture.Deadline), "No handler was called.");

    /// <summary>Lets as many handlers go.</summary>
    public void LetGo(int handlers = 1) => _leave.Release(handlers);
}
