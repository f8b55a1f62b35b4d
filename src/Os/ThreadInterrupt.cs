using System.Runtime.InteropServices;

namespace TpmFs.Os;

/// <summary>Ends the system call in which a thread waits.</summary>
public static class ThreadInterrupt
{
    private const int SignalUrgent = 23;

    /// <summary>Returns the calling thread, for <see cref="Send"/>.</summary>
    public static nint CurrentThread => LibC.pthread_self();

    /// <summary>
    /// Makes SIGURG end the system call in which a thread waits (EINTR), for the whole process. By default the signal
    /// does nothing, and the kernel sends it only to a process that asked for urgent data on a socket. The handler must
    /// be code that may interrupt any other code, which no managed method may. It is abs(3), since the C library has no
    /// function that does nothing.
    /// </summary>
    public static void Enable()
    {
        _ = LibC.signal(SignalUrgent, NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "abs"));
        _ = LibC.siginterrupt(SignalUrgent, 1);
    }

    /// <summary>Sends SIGURG to a thread of this process that lives.</summary>
    public static void Send(nint thread) => _ = LibC.pthread_kill(thread, SignalUrgent);
}
