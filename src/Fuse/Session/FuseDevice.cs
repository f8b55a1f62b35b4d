using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse;

/// <summary>An open /dev/fuse with a connection on it, non-blocking. A device closed under a caller's hands reads as a connection that is gone.</summary>
internal sealed class FuseDevice(SafeFileHandle file) : IFuseOutput
{
    public Errno Write(in FuseOutHeader header, ReadOnlySpan<byte> body)
    {
        try
        {
            return Native.WriteVector(file, MemoryMarshal.AsBytes(new ReadOnlySpan<FuseOutHeader>(in header)), body);
        }
        catch (ObjectDisposedException)
        {
            return Errno.ENODEV;
        }
    }

    /// <summary>Takes a request. EAGAIN: none is there.</summary>
    public Errno Read(Span<byte> buffer, out int count)
    {
        try
        {
            return Native.Read(file, buffer, out count);
        }
        catch (ObjectDisposedException)
        {
            count = 0;
            return Errno.ENODEV;
        }
    }

    /// <summary>What a thread waits with: see <see cref="DeviceWaiter"/>.</summary>
    public Errno TryWaitWith(SafeFileHandle stop, SafeFileHandle bell, out DeviceWaiter waiter) =>
        DeviceWaiter.TryCreate(file, stop, bell, out waiter);
}
