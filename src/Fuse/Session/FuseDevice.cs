using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

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
    /// Takes a request, for which it waits unless <see cref="SetWaiting"/> says otherwise: EAGAIN then. EINTR: a signal
    /// came. ENOENT: its caller was interrupted before it was read.
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

    /// <summary>Sets whether a read waits until there is a request. The reading thread.</summary>
    public void SetWaiting(bool waits)
    {
        try
        {
            _ = SocketCalls.SetBlocking(file, waits);
        }
        catch (ObjectDisposedException)
        {
            // The next read says so.
        }
    }

    /// <summary>Waits until there is a request, or the connection is gone. EINTR: a signal came.</summary>
    public Errno Wait()
    {
        bool isHeld = false;
        try
        {
            file.DangerousAddRef(ref isHeld);
            return Polling.Wait(file, timeout: -1, out _);
        }
        catch (ObjectDisposedException)
        {
            return Errno.ENODEV;
        }
        finally
        {
            if (isHeld)
            {
                file.DangerousRelease();
            }
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
