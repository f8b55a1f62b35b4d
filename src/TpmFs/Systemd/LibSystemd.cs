using System.Runtime.InteropServices;

namespace TpmFs.Systemd;

/// <summary>libsystemd, which is loaded when it is first needed and need not be there.</summary>
internal static unsafe partial class LibSystemd
{
    private const string Name = "libsystemd.so.0";
    private static readonly Lazy<bool> s_loaded = new(() => NativeLibrary.TryLoad(Name, out _));

    /// <summary>True when libsystemd is there, so that the other members may be called.</summary>
    public static bool IsHere => s_loaded.Value;

    /// <summary>
    /// sd_notify(3): above 0 when the state was sent, 0 where NOTIFY_SOCKET is not set, else a negative errno.
    /// </summary>
    public static int Notify(string state) => sd_notify(unsetEnvironment: 0, state);

    /// <summary>
    /// sd_pid_notify_with_fds(3): as <see cref="Notify"/>, with a descriptor that the service manager gets a duplicate
    /// of.
    /// </summary>
    public static int NotifyWith(SafeHandle descriptor, string state)
    {
        bool isHeld = false;
        descriptor.DangerousAddRef(ref isHeld);
        try
        {
            int number = (int)descriptor.DangerousGetHandle();
            return sd_pid_notify_with_fds(process: 0, unsetEnvironment: 0, state, &number, count: 1);
        }
        finally
        {
            descriptor.DangerousRelease();
        }
    }

    /// <summary>
    /// sd_watchdog_enabled(3): within which time the service manager wants to hear WATCHDOG=1 from this process; null
    /// where it does not.
    /// </summary>
    public static TimeSpan? WatchdogTime()
    {
        ulong microseconds;
        return sd_watchdog_enabled(unsetEnvironment: 0, &microseconds) > 0
            ? TimeSpan.FromMicroseconds(microseconds) : null;
    }

    /// <summary>sd_journal_sendv(3): sends one entry, each of its fields NAME=value. 0, or a negative errno.</summary>
    public static int JournalSend(IReadOnlyList<byte[]> fields)
    {
        var pins = new GCHandle[fields.Count];
        Span<IoVector> vectors = stackalloc IoVector[fields.Count];
        for (int i = 0; i < fields.Count; i++)
        {
            pins[i] = GCHandle.Alloc(fields[i], GCHandleType.Pinned);
            vectors[i] = new IoVector(pins[i].AddrOfPinnedObject(), (nuint)fields[i].Length);
        }

        try
        {
            fixed (IoVector* first = vectors)
            {
                return sd_journal_sendv(first, vectors.Length);
            }
        }
        finally
        {
            Array.ForEach(pins, pin => pin.Free());
        }
    }

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int sd_notify(int unsetEnvironment, string state);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int sd_pid_notify_with_fds(
        int process, int unsetEnvironment, string state, int* descriptors, uint count);

    [LibraryImport(Name)]
    private static partial int sd_watchdog_enabled(int unsetEnvironment, ulong* microseconds);

    [LibraryImport(Name)]
    private static partial int sd_journal_sendv(IoVector* fields, int count);

    /// <summary>struct iovec of sys/uio.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct IoVector(nint Base, nuint Length);
}
