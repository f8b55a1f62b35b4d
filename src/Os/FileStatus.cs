using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>Tells the kind, the owner and the size of an inode (inode(7)).</summary>
/// <param name="Mode">The type and the permissions.</param>
/// <param name="Owner">
/// The owner's uid. Files of a FUSE filesystem that another user mounted count as that user's, whatever the filesystem
/// says: its server decides all that is in it.
/// </param>
/// <param name="Links">The number of the inode's names.</param>
/// <param name="Size">The size in bytes.</param>
internal readonly record struct FileStatus(uint Mode, uint Owner, uint Links, ulong Size)
{
    private const uint TypeMask = 0xF000; // S_IFMT
    private const uint Pipe = 0x1000;
    private const uint CharacterDevice = 0x2000;
    private const uint Directory = 0x4000;
    private const uint BlockDevice = 0x6000;
    private const uint RegularFile = 0x8000;
    private const uint SymbolicLink = 0xA000;
    private const uint Socket = 0xC000;

    private const uint StickyBit = 0b1_000_000_000;
    private const uint WritableByOthers = 0b000_010_010;
    private const uint SearchableByOthers = 0b000_001_001;

    private const int EmptyPath = 0x1000; // AT_EMPTY_PATH
    private const int DontSync = 0x4000; // AT_STATX_DONT_SYNC
    private const uint BasicStatus = 0x7FF; // STATX_BASIC_STATS
    private const uint Mount = 0x1000; // STATX_MNT_ID

    public bool IsDirectory => (Mode & TypeMask) == Directory;

    public bool IsRegularFile => (Mode & TypeMask) == RegularFile;

    public bool IsSocket => (Mode & TypeMask) == Socket;

    public bool IsSymbolicLink => (Mode & TypeMask) == SymbolicLink;

    /// <summary>
    /// True when the group or everybody may write. With an ACL the group's bits are the most that an entry of it gives.
    /// </summary>
    public bool IsWritableByOthers => (Mode & WritableByOthers) != 0;

    /// <summary>True when only the owner reaches the directory's content.</summary>
    public bool HidesContent => IsDirectory && (Mode & SearchableByOthers) == 0;

    /// <summary>
    /// True when only an entry's owner may rename or remove the entry, whoever may write to the directory.
    /// </summary>
    public bool IsSticky => (Mode & StickyBit) != 0;

    /// <summary>The permissions in octal, for messages.</summary>
    public string Permissions => "0" + Convert.ToString(Mode & 0xFFF, 8);

    /// <summary>Gets the file's kind in words, for messages.</summary>
    public string Kind => (Mode & TypeMask) switch
    {
        RegularFile => "a plain file",
        Directory => "a directory",
        SymbolicLink => "a symbolic link",
        Pipe => "a named pipe",
        Socket => "a socket",
        BlockDevice => "a block device",
        CharacterDevice => "a character device",
        _ => "something unknown",
    };

    public static unsafe Errno Read(SafeFileHandle file, out FileStatus status)
    {
        LibC.FileStatus read = default;
        uint? server = MountUsers.Of(file, MountOf(file)) is { } user && !Trust.MayHoldParents(user) ? user : null;

        // A server that is not trusted is not asked, since it may never answer.
        int flags = EmptyPath | (server is null ? 0 : DontSync);
        var error = Errno.Of(LibC.statx(file, "", flags, BasicStatus, &read));
        status = new FileStatus(read.Mode, server ?? read.UserId, read.Links, read.Size);
        return error;
    }

    /// <summary>
    /// Returns the number of the mount that a file lies in, which the kernel tells whatever it is asked for, without
    /// asking the mount's server.
    /// </summary>
    private static unsafe int MountOf(SafeFileHandle file)
    {
        LibC.FileStatus read = default;
        return LibC.statx(file, "", EmptyPath | DontSync, mask: 0, &read) == 0 && (read.Known & Mount) != 0
            ? (int)read.Mount
            : MountInfo.IdOf(file); // before Linux 5.8
    }
}
