namespace TpmFs.Os;

/// <summary>System calls on processes.</summary>
public static unsafe class ProcessCalls
{
    public const int SigHup = 1;
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigTerm = 15;

    private const int WaitNoHang = 1;

    public static uint EffectiveUserId => LibC.geteuid();

    public static uint EffectiveGroupId => LibC.getegid();

    /// <returns>0, or -1 when the signal could not be sent.</returns>
    public static int Kill(int process, int signal) => LibC.kill(process, signal);

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
