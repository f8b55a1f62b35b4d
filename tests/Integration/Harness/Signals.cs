using System.ComponentModel;
using System.Runtime.InteropServices;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>kill(2), and the numbers of asm-generic/signal.h.</summary>
internal static partial class Signals
{
    public const int Int = 2;
    public const int Kill = 9;
    public const int User1 = 10;
    public const int User2 = 12;
    public const int Term = 15;
    public const int Continue = 18;
    public const int Stop = 19;

    public static void Send(int process, int signal)
    {
        if (SendCore(process, signal) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"kill({process}, {signal})");
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendCore(int process, int signal);
}
