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

    /// <summary>Waits for a request, or for the stop signal, and takes the request. EAGAIN: nothing for this thread, or stopped.</summary>
    public Errno WaitAndRead(SafeFileHandle stop, Span<byte> buffer, out int count, out bool stopped)
    {
        count = 0;
        stopped = false;
        try
        {
            var error = Native.Poll(file, stop, out _, out stopped);
            if (error.IsError)
            {
                return error;
            }

            return stopped ? Errno.EAGAIN : Native.Read(file, buffer, out count);
        }
        catch (ObjectDisposedException)
        {
            return Errno.ENODEV;
        }
    }
}
