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

    public static uint EffectiveUserId => LibC.geteuid();

    public static uint EffectiveGroupId => LibC.getegid();

    /// <returns>0, or -1 when the signal could not be sent.</returns>
    public static int Kill(int process, int signal) => LibC.kill(process, signal);

    /// <summary>
    /// Executes a program in the place of this one: the process stays, with its children, its user, and the descriptors
    /// that are not closed on exec.
    /// </summary>
    /// <param name="path">The program's absolute path.</param>
    /// <param name="arguments">The words of its command line, its name first.</param>
    /// <param name="environment">NAME=value each.</param>
    /// <returns>Why the program cannot be executed. On success this does not return.</returns>
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
}
