namespace TpmFs.Doors.Fuse;

/// <summary>The type bits of st_mode (S_IFMT, inode(7)).</summary>
internal enum NodeType : uint
{
    Directory = 0x4000,
    Regular = 0x8000,
    SymbolicLink = 0xA000,
}
