using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TpmFs.Fuse.Wire;

// The bodies of replies and notifications (struct fuse_*_out of linux/fuse.h).

[InlineArray(6)]
internal struct ReservedWords6
{
    private uint _first;
}

[InlineArray(7)]
internal struct ReservedWords7
{
    private uint _first;
}

[InlineArray(10)]
internal struct ReservedWords10
{
    private uint _first;
}

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseInitOut(
    uint Major, uint Minor, uint MaxReadahead, FuseInitFlags Flags, ushort MaxBackground, ushort CongestionThreshold,
    uint MaxWrite, uint TimeGran, ushort MaxPages, ushort MapAlignment, uint Flags2, ReservedWords7 Unused);

/// <summary>struct cuse_init_out; texts of the form KEY=VALUE follow, each ended by a NUL.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct CuseInitOut(
    uint Major, uint Minor, uint Unused, uint Flags, uint MaxRead, uint MaxWrite, uint DevMajor, uint DevMinor,
    ReservedWords10 Spare);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseEntryOut(
    ulong NodeId, ulong Generation, ulong EntryValid, ulong AttrValid, uint EntryValidNsec, uint AttrValidNsec,
    FuseAttr Attr);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseAttrOut(ulong AttrValid, uint AttrValidNsec, uint Dummy, FuseAttr Attr);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseOpenOut(ulong Fh, FuseOpenFlags OpenFlags, uint Padding);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseWriteOut(uint Size, uint Padding);

/// <summary>struct fuse_statfs_out, which is struct fuse_kstatfs.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseStatFsOut(
    ulong Blocks, ulong BFree, ulong BAvail, ulong Files, ulong FFree, uint BSize, uint NameLen, uint FrSize,
    uint Padding,
    ReservedWords6 Spare);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseGetXattrOut(uint Size, uint Padding);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseIoctlOut(int Result, uint Flags, uint InIovs, uint OutIovs);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FusePollOut(PollEvents REvents, uint Padding);

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseNotifyPollWakeupOut(ulong Kh);

/// <summary>struct fuse_dirent without its name, which follows, padded with zeros to a multiple of 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FuseDirent(ulong Ino, ulong Off, uint NameLen, uint Type);
