using System.Runtime.CompilerServices;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>Writes a directory's entries: struct fuse_dirent for each.</summary>
internal sealed class DirectoryEntries(ReplyBuffer buffer) : FuseDirectoryReply
{
    /// <summary>
    /// FUSE_NAME_MAX of the kernel's fs/fuse/fuse_i.h, in bytes: it takes a longer name for a broken filesystem.
    /// </summary>
    private const int MaxName = 1024;

    /// <summary>The place of the type bits in st_mode: d_type is S_IFMT shifted down.</summary>
    private const int ModeTypeShift = 12;

    private int _limit;

    /// <summary>Starts a listing of at most <paramref name="limit"/> bytes.</summary>
    public void Start(uint limit) => _limit = (int)Math.Min(limit, ReplyBuffer.Capacity);

    public override bool Add(ReadOnlySpan<byte> name, ulong nextOffset, in FuseAttributes attributes)
    {
        if (name.Length is 0 or > MaxName)
        {
            throw new ArgumentException(
                $"A directory entry's name has {name.Length} bytes; 1 to {MaxName} can be listed.", nameof(name));
        }

        int size = Unsafe.SizeOf<FuseDirent>() + ((name.Length + 7) & ~7);
        if (size > _limit - buffer.Length)
        {
            return false;
        }

        buffer.Put(
            new FuseDirent(attributes.Inode, nextOffset, (uint)name.Length, (attributes.Mode >> ModeTypeShift) & 0xF));
        buffer.PutAligned(name);
        return true;
    }
}
