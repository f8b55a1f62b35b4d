using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>struct pollfd.</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct PollDescriptor(int Descriptor, short Wanted, short Ready);

/// <summary>poll(2).</summary>
public static unsafe class Polling
{
    /// <summary>POLLIN.</summary>
    public const short Input = 1;

    /// <summary>POLLOUT.</summary>
    private const short Output = 4;

    /// <summary>True when a read would not wait, as of now.</summary>
    public static bool IsReadable(SafeFileHandle file)
    {
        bool isHeld = false;
        try
        {
            file.DangerousAddRef(ref isHeld);
            return Wait(file, timeout: 0, out bool isReady) == Errno.None && isReady;
        }
        finally
        {
            if (isHeld)
            {
                file.DangerousRelease();
            }
        }
    }

    /// <summary>
    /// True when a file of /proc that tells of its changes, such as a list of mounts, has changed since it was opened,
    /// or since this was true; also when that cannot be told.
    /// </summary>
    /// <param name="file">The file, which the caller keeps open meanwhile.</param>
    public static bool HasChanged(SafeFileHandle file)
    {
        var one = new PollDescriptor((int)file.DangerousGetHandle(), 0, 0); // a change shows as an error
        return LibC.poll(&one, 1, timeout: 0) != 0;
    }

    /// <summary>Waits until something can be read from a file, or an error shows there.</summary>
    /// <param name="file">The file, which the caller keeps open meanwhile.</param>
    /// <param name="timeout">The time limit in milliseconds.</param>
    /// <param name="isReady">False when nothing came in time.</param>
    public static Errno Wait(SafeFileHandle file, int timeout, out bool isReady)
    {
        var one = new PollDescriptor((int)file.DangerousGetHandle(), Input, 0);
        int result = LibC.poll(&one, 1, timeout);
        isReady = result > 0;
        return Errno.Of(result);
    }

    /// <summary>
    /// Waits until something can be read from a file, or until it takes something, or an error shows there.
    /// </summary>
    /// <param name="file">The file, which the caller keeps open meanwhile.</param>
    /// <param name="timeout">The time limit in milliseconds.</param>
    /// <param name="isReadable">True when something can be read, or an error shows.</param>
    public static Errno WaitForEither(SafeFileHandle file, int timeout, out bool isReadable)
    {
        var one = new PollDescriptor((int)file.DangerousGetHandle(), Input | Output, 0);
        int result = LibC.poll(&one, 1, timeout);
        isReadable = result > 0 && (one.Ready & ~Output) != 0;
        return Errno.Of(result);
    }

    /// <summary>Waits until one of the descriptors is ready, or has an error.</summary>
    /// <param name="descriptors">The descriptors, and the events to wait for.</param>
    /// <param name="timeout">The time limit in milliseconds.</param>
    /// <returns>False when none was ready in time, or a signal came.</returns>
    public static bool Wait(PollDescriptor[] descriptors, int timeout)
    {
        fixed (PollDescriptor* all = descriptors)
        {
            return LibC.poll(all, (nuint)descriptors.Length, timeout) > 0;
        }
    }
}
