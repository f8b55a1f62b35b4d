namespace TpmFs.Os;

/// <summary>mount(2) and umount2(2).</summary>
public static class MountCalls
{
    public const ulong NoSuid = 0x2;
    public const ulong NoDev = 0x4;
    public const ulong NoExec = 0x8;

    /// <summary>MNT_DETACH.</summary>
    public const int Detach = 0x2;

    /// <summary>UMOUNT_NOFOLLOW.</summary>
    public const int NoFollow = 0x8;

    public static Errno Mount(string source, string target, string type, ulong flags, string data) =>
        Errno.Of(LibC.mount(source, target, type, flags, data));

    public static Errno Unmount(string target, int flags) => Errno.Of(LibC.umount2(target, flags));
}
