namespace TpmFs.Fuse;

/// <summary>The attributes of a node that stat(2) shows.</summary>
public readonly record struct FuseAttributes
{
    /// <summary>
    /// The number that people see (st_ino). Several <see cref="NodeId"/>s may show the same one.
    /// </summary>
    public required ulong Inode { get; init; }

    /// <summary>The type bits (S_IFMT) and the permission bits.</summary>
    public required uint Mode { get; init; }

    public required uint LinkCount { get; init; }

    public required uint Uid { get; init; }

    public required uint Gid { get; init; }

    /// <summary>Gets the size in bytes.</summary>
    public ulong Size { get; init; }

    public required DateTimeOffset AccessTime { get; init; }

    public required DateTimeOffset ModifyTime { get; init; }

    public required DateTimeOffset ChangeTime { get; init; }
}

/// <summary>The answer to LOOKUP and MKDIR.</summary>
/// <param name="Node">
/// The number that the kernel uses for the node from now on. The kernel makes one inode, with locks and a page cache of
/// its own, for each number.
/// </param>
/// <param name="Attributes">The attributes that stat(2) shows of the node.</param>
public readonly record struct FuseEntry(NodeId Node, FuseAttributes Attributes);

/// <summary>
/// The attributes that a SETATTR changes; null leaves a value as it is (the FATTR_* bits of linux/fuse.h).
/// </summary>
public readonly record struct FuseAttributeChange
{
    /// <summary>The permission bits only (07777).</summary>
    public uint? Mode { get; init; }

    public uint? Uid { get; init; }

    public uint? Gid { get; init; }

    /// <summary>Gets the new size in bytes.</summary>
    public ulong? Size { get; init; }

    public DateTimeOffset? AccessTime { get; init; }

    public DateTimeOffset? ModifyTime { get; init; }

    /// <summary>The open file that the change was made through (ftruncate, fchmod), where the kernel says so.</summary>
    public OpenId? Open { get; init; }
}

/// <summary>The answer to OPEN and OPENDIR.</summary>
public readonly record struct FuseOpened(OpenId Open, FuseOpenFlags Flags);

/// <summary>FOPEN_* of linux/fuse.h.</summary>
[Flags]
public enum FuseOpenFlags : uint
{
    None = 0,
    DirectIo = 1 << 0,
    KeepCache = 1 << 1,
    NonSeekable = 1 << 2,
    CacheDir = 1 << 3,
    Stream = 1 << 4,
    NoFlush = 1 << 5,
    ParallelDirectWrites = 1 << 6,
}

/// <summary>Bits of poll(2), the kernel's numbers.</summary>
[Flags]
public enum PollEvents : uint
{
    None = 0,
    In = 0x001,
    Pri = 0x002,
    Out = 0x004,
    Err = 0x008,
    Hup = 0x010,
    ReadNormal = 0x040,
    WriteNormal = 0x100,
}
