using System.Runtime.InteropServices;

namespace TpmFs.Fuse.Wire;

// The bodies of requests (struct fuse_*_in of linux/fuse.h).

/// <summary>
/// The part of struct fuse_init_in that every kernel sends; since 7.36 flags2 and 11 reserved words follow.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseInitIn(uint Major, uint Minor, uint MaxReadahead, FuseInitFlags Flags);

/// <summary>struct cuse_init_in.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct CuseInitIn(uint Major, uint Minor, uint Unused, uint Flags);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseForgetIn(ulong NLookup);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseForgetOne(ulong NodeId, ulong NLookup);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseBatchForgetIn(uint Count, uint Dummy);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseGetAttrIn(FuseGetAttrFlags GetAttrFlags, uint Dummy, ulong Fh);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseSetAttrIn(
    FuseSetAttrValid Valid, uint Padding, ulong Fh, ulong Size, ulong LockOwner, ulong ATime, ulong MTime, ulong CTime,
    uint ATimeNsec, uint MTimeNsec, uint CTimeNsec, uint Mode, uint Unused4, uint Uid, uint Gid, uint Unused5);

/// <summary>
/// struct fuse_mkdir_in; the kernel has applied the umask to <paramref name="Mode"/> (FUSE_DONT_MASK is not asked for).
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseMkDirIn(uint Mode, uint Umask);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseOpenIn(uint Flags, uint OpenFlags);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseReleaseIn(ulong Fh, uint Flags, uint ReleaseFlags, ulong LockOwner);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseFlushIn(ulong Fh, uint Unused, uint Padding, ulong LockOwner);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseReadIn(
    ulong Fh, ulong Offset, uint Size, FuseReadFlags ReadFlags, ulong LockOwner, uint Flags, uint Padding);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseWriteIn(
    ulong Fh, ulong Offset, uint Size, uint WriteFlags, ulong LockOwner, uint Flags, uint Padding);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseFSyncIn(ulong Fh, uint FSyncFlags, uint Padding);

/// <summary>
/// The first half of struct fuse_setxattr_in, which is all of it while FUSE_SETXATTR_EXT is not negotiated.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseSetXattrIn(uint Size, uint Flags);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseGetXattrIn(uint Size, uint Padding);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseAccessIn(uint Mask, uint Padding);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseInterruptIn(ulong Unique);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseIoctlIn(ulong Fh, uint Flags, uint Cmd, ulong Arg, uint InSize, uint OutSize);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FusePollIn(ulong Fh, ulong Kh, FusePollFlags Flags, PollEvents Events);
