using System.Runtime.InteropServices;

namespace TpmFs.Fuse.Wire;

// The fixed parts of linux/fuse.h, in the host's byte order. The field order is the kernel's ABI; WireLayoutTests pins
// sizes and offsets.

/// <summary>
/// struct fuse_in_header: before every request. <paramref name="TotalExtLen"/> counts units of 8 bytes at the request's
/// end.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseInHeader(
    uint Len, FuseOpcode Opcode, ulong Unique, ulong NodeId, uint Uid, uint Gid, uint Pid, ushort TotalExtLen,
    ushort Padding);

/// <summary>
/// struct fuse_out_header: before every reply. <paramref name="Error"/> is 0 or a negated errno; in a notification
/// (unique 0) its code.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseOutHeader(uint Len, int Error, ulong Unique);

/// <summary>struct fuse_attr.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseAttr(
    ulong Ino, ulong Size, ulong Blocks, ulong ATime, ulong MTime, ulong CTime, uint ATimeNsec, uint MTimeNsec,
    uint CTimeNsec,
    uint Mode, uint NLink, uint Uid, uint Gid, uint RDev, uint BlkSize, uint Flags);
