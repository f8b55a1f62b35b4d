using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>System calls on processes.</summary>
public static unsafe class ProcessCalls
{
    public const int SigHup = 1;
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigUsr2 = 12;
    public const int SigTerm = 15;

    private const int WaitNoHang = 1;
    private const int SendSignal = 424; // pidfd_send_signal, the same number on every machine
    private const int OpenProcess = 434; // pidfd_open
    private const long ProcessFileSystem = 0x50494446; // PID_FS_MAGIC, linux/magic.h

    private static readonly Lazy<bool> s_hasSerials = new(HasSerials);

    public static uint EffectiveUserId => LibC.geteuid();

    public static uint EffectiveGroupId => LibC.getegid();

    /// <summary>
    /// Opens a descriptor of a process: it is readable once the process has ended, and never means another process.
    /// Returns null where the kernel has none (before 5.3).
    /// </summary>
    public static SafeFileHandle? Open(int process)
    {
        nint descriptor = LibC.syscall(OpenProcess, process, 0, 0, 0);
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>
    /// Returns a number that no other process has before the machine is restarted, while the kernel uses an id again.
    /// Reads nothing of /proc: who reads there when a process began, and the process ends at that moment, may have to
    /// free its memory in its place, which takes as long as the process likes.
    /// </summary>
    /// <returns>0 when there is no such process, or the kernel does not number them (before 6.9).</returns>
    public static ulong SerialOf(uint process)
    {
        using SafeFileHandle? opened = s_hasSerials.Value ? Open((int)process) : null;
        return opened is null ? 0 : FileCalls.NumberOf(opened);
    }

    /// <summary>Returns the id of the process of a descriptor; 0 when it has ended, or is not known here.</summary>
    public static int IdOf(SafeFileHandle process) => ProcFs.NumberIn(process, "Pid:");

    /// <summary>Sends a signal to the process of a descriptor, unless it has ended.</summary>
    public static void Kill(SafeFileHandle process, int signal) =>
        _ = LibC.syscall(SendSignal, process.DangerousGetHandle(), signal, 0, 0);

    /// <returns>0, or -1 when the signal could not be sent.</returns>
    public static int Kill(int process, int signal) => LibC.kill(process, signal);

    /// <summary>
    /// Executes a program in the place of this one: the process stays, with its children, its user, and the descriptors
    /// that are not closed on exec.
    /// </summary>
    /// <param name="path">The program's absolute path.</param>
    /// <param name="arguments">The words of its command line, its name first.</param>
    /// <param name="environment">The new program's environment, NAME=value each.</param>
    /// <returns>The reason why the program cannot be executed. On success this method does not return.</returns>
    public static Errno Execute(string path, string[] arguments, string[] environment)
    {
        using var name = new NativeStrings([path]);
        using var argv = new NativeStrings(arguments);
        using var envp = new NativeStrings(environment);
        return Errno.Of(LibC.execve(name.Array[0], argv.Array, envp.Array));
    }

    /// <summary>Reaps a child that has ended.</summary>
    /// <param name="process">The child.</param>
    /// <param name="wait">True to wait until it ends.</param>
    /// <returns>False while it runs. True also for a process that is not, or no longer, a child of this one.</returns>
    public static bool TryReap(int process, bool wait)
    {
        int status;
        int result;
        do
        {
            result = LibC.waitpid(process, &status, wait ? 0 : WaitNoHang);
        }
        while (result < 0 && Errno.Last == Errno.EINTR);

        return result != 0;
    }

    /// <summary>True when descriptors of processes lie in a filesystem in which each process has an inode.</summary>
    private static bool HasSerials()
    {
        using SafeFileHandle? self = Open(Environment.ProcessId);
        return self is not null && FileCalls.FileSystemOf(self) == ProcessFileSystem;
    }
}
