using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>mount(2), umount2(2), and what fsopen(2) makes.</summary>
public static unsafe class MountCalls
{
    public const ulong NoSuid = 0x2;
    public const ulong NoDev = 0x4;
    public const ulong NoExec = 0x8;

    /// <summary>MNT_DETACH.</summary>
    public const int Detach = 0x2;

    /// <summary>UMOUNT_NOFOLLOW.</summary>
    public const int NoFollow = 0x8;

    private const int OpenFileSystem = 430; // fsopen, the same number on every machine, as those of the others
    private const int Configure = 431; // fsconfig
    private const int MakeMount = 432; // fsmount
    private const int CloseOnExec = 1; // FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC
    private const int SetString = 1; // FSCONFIG_SET_STRING
    private const int Create = 6; // FSCONFIG_CMD_CREATE
    private const int HardenedMount = 0xE; // MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC

    public static Errno Mount(string source, string target, string type, ulong flags, string data) =>
        Errno.Of(LibC.mount(source, target, type, flags, data));

    public static Errno Unmount(string target, int flags) => Errno.Of(LibC.umount2(target, flags));

    /// <summary>
    /// Makes a procfs that is attached nowhere, for this process's namespace of processes. It has the directories of
    /// processes only, and shares no lock with other mounts of procfs: a kernel for which one of these does not hold
    /// (before 5.8) refuses "subset".
    /// </summary>
    /// <param name="root">Its root. It is gone when this is closed.</param>
    /// <returns>Where not successful, EPERM without CAP_SYS_ADMIN, or EINVAL.</returns>
    internal static Errno MakeProcFs(out SafeFileHandle root)
    {
        fixed (byte* type = "proc\0"u8, key = "subset\0"u8, value = "pid\0"u8)
        {
            root = new SafeFileHandle();
            nint opened = LibC.syscall(OpenFileSystem, (nint)type, CloseOnExec, 0, 0);
            using var context = new SafeFileHandle(opened, ownsHandle: true);
            if (opened < 0
                || LibC.syscall(Configure, opened, SetString, (nint)key, (nint)value) < 0
                || LibC.syscall(Configure, opened, Create, 0, 0) < 0)
            {
                return Errno.Last;
            }

            nint mounted = LibC.syscall(MakeMount, opened, CloseOnExec, HardenedMount, 0);
            root = new SafeFileHandle(mounted, ownsHandle: true);
            return Errno.Of(mounted);
        }
    }
}
