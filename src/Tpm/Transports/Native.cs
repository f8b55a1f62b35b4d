using System.Runtime.InteropServices;

namespace TpmFs.Tpm.Transports;

/// <summary>The C library's calls for a child process that inherits chosen descriptors, which System.Diagnostics.Process cannot give it.</summary>
internal static unsafe partial class Native
{
    public const int AfUnix = 1;
    public const int SockStream = 1;
    public const int FcntlSetFlags = 4;
    public const int OpenNonBlock = 0x800;
    public const int SockCloseOnExec = 0x8_0000;

    public const int OpenReadOnly = 0;

    public const short SpawnSetSignalMask = 0x08;

    /// <summary>POSIX_SPAWN_SETSID: of glibc since 2.26 and musl since 1.1.24, with the same number.</summary>
    public const short SpawnSetSession = 0x80;

    public const int WaitNoHang = 1;
    public const int SigHup = 1;
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigTerm = 15;

    public const int ErrorInterrupted = 4;

    /// <summary>More than any C library's posix_spawnattr_t (336 bytes) and posix_spawn_file_actions_t (80) take.</summary>
    public const int SpawnStructSize = 512;

    /// <summary>Bytes of a sigset_t.</summary>
    public const int SignalSetSize = 128;

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    public static partial int SocketPair(int domain, int type, int protocol, int* pair);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Fcntl(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "posix_spawn")]
    public static partial int PosixSpawn(int* pid, byte* path, void* fileActions, void* attributes, byte** argv, byte** envp);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    public static partial int SpawnAttributesInit(void* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    public static partial int SpawnAttributesDestroy(void* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    public static partial int SpawnAttributesSetFlags(void* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    public static partial int SpawnAttributesSetSignalMask(void* attributes, void* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int SpawnActionsInit(void* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    public static partial int SpawnActionsDestroy(void* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int SpawnActionsAddDup2(void* actions, int descriptor, int newDescriptor);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addopen", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SpawnActionsAddOpen(void* actions, int descriptor, string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    public static partial int WaitPid(int pid, int* status, int options);

    [LibraryImport("libc", EntryPoint = "kill")]
    public static partial int Kill(int pid, int signal);
}
