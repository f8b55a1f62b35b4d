using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse;

/// <summary>
/// Waits for a request, or for the end. One for each thread: a request wakes one thread that waits, the same one as long as it keeps up, and
/// the others only while it is busy. (Handing the turn over at each request costs two more switches of threads: 39 µs instead of 16 µs
/// for a write and a read where all run on one CPU.)
/// </summary>
internal sealed class DeviceWaiter : IDisposable
{
    private readonly SafeFileHandle _epoll;

    private DeviceWaiter(SafeFileHandle epoll)
    {
        _epoll = epoll;
    }

    /// <param name="device">The connection.</param>
    /// <param name="stop">An eventfd that is readable once the session ends.</param>
    /// <param name="bell">An eventfd that one thread is to be woken for.</param>
    /// <param name="waiter">To be disposed of, also on failure.</param>
    public static Errno TryCreate(SafeFileHandle device, SafeFileHandle stop, SafeFileHandle bell, out DeviceWaiter waiter)
    {
        var error = Native.EpollCreate(out var epoll);
        waiter = new DeviceWaiter(epoll);
        if (error.IsError)
        {
            return error;
        }

        error = Native.EpollAdd(epoll, stop, exclusive: false);
        error = error.IsError ? error : Native.EpollAdd(epoll, bell, exclusive: true);
        return error.IsError ? error : Native.EpollAdd(epoll, device, exclusive: true);
    }

    public Errno Wait() => Native.EpollWait(_epoll);

    public void Dispose() => _epoll.Dispose();
}
