using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>
/// Wakes a thread that waits (eventfd(2)). Neither of the two takes a lock, so one that the kernel keeps from running
/// holds up nobody.
/// </summary>
public sealed class EventCount : IDisposable
{
    private const int CloseOnExec = 0x8_0000; // EFD_CLOEXEC
    private const int Bytes = sizeof(ulong);

    private readonly SafeFileHandle _descriptor;

    private EventCount(int descriptor) => _descriptor = new SafeFileHandle(descriptor, ownsHandle: true);

    /// <summary>Makes one.</summary>
    /// <returns>EMFILE, ENFILE, ENOMEM; ENOSYS or EPERM where a seccomp filter forbids the call.</returns>
    public static Errno Create(out EventCount? count)
    {
        int descriptor = LibC.eventfd(0, CloseOnExec);
        count = descriptor < 0 ? null : new EventCount(descriptor);
        return Errno.Of(descriptor);
    }

    /// <summary>Wakes the thread that waits, or that waits next. Any thread.</summary>
    public void Signal()
    {
        Span<byte> one = stackalloc byte[Bytes];
        BitConverter.TryWriteBytes(one, 1UL);
        _ = FileCalls.Write(_descriptor, one);
    }

    /// <summary>Waits until there was a signal since the last wait.</summary>
    public void Wait()
    {
        Span<byte> signals = stackalloc byte[Bytes];
        while (FileCalls.Read(_descriptor, signals, out _) == Errno.EINTR)
        {
            // a signal of another kind
        }
    }

    public void Dispose() => _descriptor.Dispose();
}
