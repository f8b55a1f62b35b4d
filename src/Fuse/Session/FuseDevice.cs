using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse;

/// <summary>
/// An open /dev/fuse with a connection on it. A device closed under a caller's hands reads as a connection that is
/// gone.
/// </summary>
internal sealed class FuseDevice(SafeFileHandle file) : IFuseOutput
{
    public Errno Write(in FuseOutHeader header, ReadOnlySpan<byte> body)
    {
        try
        {
            return FileCalls.Write(file, MemoryMarshal.AsBytes(new ReadOnlySpan<FuseOutHeader>(in header)), body);
        }
        catch (ObjectDisposedException)
        {
            return Errno.ENODEV;
        }
    }

    /// <summary>
    /// Waits for a request and takes it. EINTR: a signal came. ENOENT: its caller was interrupted before it was read.
    /// </summary>
    public Errno Read(Span<byte> buffer, out int count)
    {
        try
        {
            return FileCalls.Read(file, buffer, out count);
        }
        catch (ObjectDisposedException)
        {
            count = 0;
            return Errno.ENODEV;
        }
    }

    /// <summary>Whether a request waits to be read.</summary>
    public bool HasRequest()
    {
        try
        {
            return Polling.IsReadable(file);
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }
}
