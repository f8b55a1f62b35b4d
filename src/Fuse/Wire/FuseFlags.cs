namespace TpmFs.Fuse.Wire;

/// <summary>
/// FUSE_* of fuse_init_in.flags and fuse_init_out.flags: the flags that this library asks for or must know.
/// </summary>
[Flags]
internal enum FuseInitFlags : uint
{
    None = 0,
    AsyncRead = 1 << 0,
    PosixLocks = 1 << 1,
    FlockLocks = 1 << 10,
    NoOpenSupport = 1 << 17,
    ParallelDirOps = 1 << 18,
    PosixAcl = 1 << 20,
    AbortError = 1 << 21,
    MaxPages = 1 << 22,
    CacheSymlinks = 1 << 23,
    NoOpenDirSupport = 1 << 24,
    InitExt = 1 << 30,
}

/// <summary>FATTR_*: the fields of fuse_setattr_in that hold a new value.</summary>
[Flags]
internal enum FuseSetAttrValid : uint
{
    None = 0,
    Mode = 1 << 0,
    Uid = 1 << 1,
    Gid = 1 << 2,
    Size = 1 << 3,
    ATime = 1 << 4,
    MTime = 1 << 5,
    Fh = 1 << 6,
}

/// <summary>FUSE_GETATTR_*.</summary>
[Flags]
internal enum FuseGetAttrFlags : uint
{
    None = 0,
    Fh = 1 << 0,
}

/// <summary>FUSE_READ_*.</summary>
[Flags]
internal enum FuseReadFlags : uint
{
    None = 0,

    /// <summary>
    /// Set when the kernel names the caller's lock owner: for read(2) and its like, and not when it fills its page
    /// cache.
    /// </summary>
    LockOwner = 1 << 1,
}

/// <summary>FUSE_POLL_*.</summary>
[Flags]
internal enum FusePollFlags : uint
{
    None = 0,
    ScheduleNotify = 1 << 0,
}
