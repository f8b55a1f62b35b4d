using System.Runtime.InteropServices;

namespace TpmFs.Os;

/// <summary>
/// The flags of open(2), with the numbers of asm-generic, except those for which a machine has its own numbers
/// (asm/fcntl.h). O_CLOEXEC is always set.
/// </summary>
public static class OpenOptions
{
    public const int ReadOnly = 0x0;
    public const int WriteOnly = 0x1;
    public const int ReadWrite = 0x2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int NoTerminal = 0x100;
    public const int NonBlock = 0x800;
    public const int PathOnly = 0x20_0000;

    internal const int CloseOnExec = 0x8_0000;

    /// <summary>O_DIRECTORY.</summary>
    public static int Directory => HasOwnFlags ? 0x4000 : 0x1_0000;

    /// <summary>O_NOFOLLOW.</summary>
    public static int NoFollow => HasOwnFlags ? 0x8000 : 0x2_0000;

    private static bool HasOwnFlags =>
        RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 or Architecture.Ppc64le;
}
