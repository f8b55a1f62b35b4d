using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>
/// System calls on files and directories that .NET's own classes cannot make, or only at a higher cost. A method
/// returns the error; it retries EINTR unless it says otherwise.
/// </summary>
public static unsafe class FileCalls
{
    /// <summary>An owner or group that stays as it is.</summary>
    public const uint NoChange = uint.MaxValue;

    /// <summary>The attribute that holds a file's access ACL (acl(5)).</summary>
    public const string AccessAcl = "system.posix_acl_access";

    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const int LockRelease = 8;
    private const int SetDescriptorFlags = 2; // F_SETFD
    private const int DescriptorCloseOnExec = 1;
    private const int EmptyPath = 0x1000; // AT_EMPTY_PATH
    private const uint StatType = 1; // STATX_TYPE
    private const uint StatInode = 0x100; // STATX_INO
    private const uint StatAccess = 2 | 8 | 16; // STATX_MODE | STATX_UID | STATX_GID
    private const uint Permissions = 0xFFF;
    private const int LongestAttribute = 64 * 1024; // XATTR_SIZE_MAX
    private const int LongestPath = 4096; // PATH_MAX
    private const int EntryName = 19; // d_name in struct dirent64
    private const int FileSystemStatusSize = 128; // more than a struct statfs has

    /// <summary>
    /// The length of one piece, in bytes: a power of 2, and no more than a page has. Most replies are shorter.
    /// </summary>
    private const int OnePiece = 512;

    /// <param name="path">The path of the file to open.</param>
    /// <param name="flags">The flags, of <see cref="OpenOptions"/>.</param>
    /// <param name="mode">The mode of a file that is made, less the umask.</param>
    /// <param name="file">Never null; not valid when an error is returned.</param>
    public static Errno Open(string path, int flags, uint mode, out SafeFileHandle file)
    {
        int fd;
        do
        {
            fd = LibC.open(path, flags | OpenOptions.CloseOnExec, mode);
        }
        while (fd < 0 && Errno.Last == Errno.EINTR);

        var error = Errno.Of(fd);
        file = new SafeFileHandle(fd, ownsHandle: true);
        return error;
    }

    /// <inheritdoc cref="Open"/>
    /// <param name="directory">The directory that <paramref name="path"/> begins at.</param>
    public static Errno OpenAt(SafeFileHandle directory, string path, int flags, uint mode, out SafeFileHandle file)
    {
        int fd;
        do
        {
            fd = LibC.openat(directory, path, flags | OpenOptions.CloseOnExec, mode);
        }
        while (fd < 0 && Errno.Last == Errno.EINTR);

        var error = Errno.Of(fd);
        file = new SafeFileHandle(fd, ownsHandle: true);
        return error;
    }

    public static Errno MakeDirectoryAt(SafeFileHandle directory, string name, uint mode) =>
        Errno.Of(LibC.mkdirat(directory, name, mode));

    public static Errno Remove(SafeFileHandle directory, string name) => Errno.Of(LibC.unlinkat(directory, name, 0));

    public static Errno Remove(string path) => Errno.Of(LibC.unlink(path));

    /// <summary>Sets the owner and the group of a file; <see cref="NoChange"/> leaves one of them as it is.</summary>
    /// <param name="file">Any descriptor, also one of <see cref="OpenOptions.PathOnly"/>.</param>
    public static Errno SetOwner(SafeFileHandle file, uint owner, uint group) =>
        Errno.Of(LibC.fchownat(file, "", owner, group, EmptyPath));

    /// <summary>Sets the permission bits of a file.</summary>
    /// <param name="file">Any descriptor, as for <see cref="SetOwner"/>. Needs /proc.</param>
    public static Errno SetMode(SafeFileHandle file, uint mode) => Errno.Of(LibC.chmod(PathOf(file), mode));

    /// <summary>Sets an extended attribute of a file.</summary>
    /// <param name="file">Any descriptor, as for <see cref="SetMode"/>.</param>
    public static Errno SetAttribute(SafeFileHandle file, string name, ReadOnlySpan<byte> value)
    {
        fixed (byte* start = value)
        {
            return Errno.Of(LibC.setxattr(PathOf(file), name, start, (nuint)value.Length, 0));
        }
    }

    /// <summary>Reads an extended attribute of a file. Returns ENODATA when there is none.</summary>
    /// <param name="file">Any descriptor, as for <see cref="SetMode"/>.</param>
    /// <param name="name">The attribute's name.</param>
    /// <param name="value">The value; empty with an error.</param>
    public static Errno ReadAttribute(SafeFileHandle file, string name, out byte[] value)
    {
        byte[] buffer = new byte[LongestAttribute];
        fixed (byte* start = buffer)
        {
            nint length = LibC.getxattr(PathOf(file), name, start, (nuint)buffer.Length);
            value = length > 0 ? buffer[..(int)length] : [];
            return length < 0 ? Errno.Of(-1) : Errno.None;
        }
    }

    /// <summary>Removes an extended attribute of a file. Returns ENODATA when there is none.</summary>
    /// <param name="file">Any descriptor, as for <see cref="SetMode"/>.</param>
    public static Errno RemoveAttribute(SafeFileHandle file, string name) =>
        Errno.Of(LibC.removexattr(PathOf(file), name));

    public static Errno Rename(SafeFileHandle directory, string from, string to) =>
        Errno.Of(LibC.renameat(directory, from, directory, to));

    /// <summary>
    /// Returns success when this process has the permissions of access(2) that <paramref name="wanted"/> says.
    /// </summary>
    public static Errno CheckAccess(SafeFileHandle directory, string name, int wanted) =>
        Errno.Of(LibC.faccessat(directory, name, wanted, 0));

    public static Errno MakeDirectory(string path, uint mode) => Errno.Of(LibC.mkdir(path, mode));

    public static Errno RemoveDirectory(string path) => Errno.Of(LibC.rmdir(path));

    /// <summary>Locks the whole file for this open file description, or returns EAGAIN (EWOULDBLOCK) at once.</summary>
    public static Errno TryLock(SafeFileHandle file) => Errno.Of(LibC.flock(file, LockExclusive | LockNonBlocking));

    /// <summary>
    /// Gives the lock of this open file description back, though another process may have a duplicate of it.
    /// </summary>
    public static Errno Unlock(SafeFileHandle file) => Errno.Of(LibC.flock(file, LockRelease));

    /// <summary>Waits until what was written to a file or directory is on the disk.</summary>
    public static Errno Synchronize(SafeFileHandle file) => Errno.Of(LibC.fsync(file));

    /// <summary>Sets whether a program started from now on gets this descriptor.</summary>
    public static Errno SetInheritable(SafeHandle file, bool inheritable) =>
        Errno.Of(LibC.fcntl(file, SetDescriptorFlags, inheritable ? 0 : DescriptorCloseOnExec));

    /// <summary>Reads once. EINTR is left to the caller, who may be meant to stop.</summary>
    public static Errno Read(SafeFileHandle file, Span<byte> buffer, out int count)
    {
        nint result;
        fixed (byte* start = buffer)
        {
            result = LibC.read(file, start, buffer.Length);
        }

        count = (int)Math.Max(result, 0);
        return Errno.Of(result);
    }

    /// <summary>Writes all bytes in one call. Returns EIO when the file took only a part.</summary>
    public static Errno Write(SafeFileHandle file, ReadOnlySpan<byte> data)
    {
        nint result;
        fixed (byte* start = data)
        {
            do
            {
                result = LibC.write(file, start, data.Length);
            }
            while (result < 0 && Errno.Last == Errno.EINTR);
        }

        return result >= 0 && result != data.Length ? Errno.EIO : Errno.Of(result);
    }

    /// <summary>
    /// Writes header and body in one call. The kernel looks up the page of each piece that it copies from, so a short
    /// body is first copied behind its header, to make one piece.
    /// </summary>
    public static Errno Write(SafeFileHandle file, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body) =>
        header.Length + body.Length <= OnePiece ? WritePiece(file, header, body) : WriteVector(file, header, body);

    /// <summary>
    /// Reads the type bits of an open file's mode (inode(7)), and the numbers of the device that it is.
    /// </summary>
    /// <returns>The error; the values are 0 then.</returns>
    public static Errno ReadType(SafeFileHandle file, out uint mode, out uint major, out uint minor)
    {
        LibC.FileStatus status = default;
        var error = Errno.Of(LibC.statx(file, "", EmptyPath, StatType, &status));
        (mode, major, minor) = (status.Mode, status.DeviceMajor, status.DeviceMinor);
        return error;
    }

    /// <summary>Returns a file's permission bits, its owner and its group.</summary>
    public static Errno ReadAccess(SafeFileHandle file, out uint mode, out uint uid, out uint gid)
    {
        LibC.FileStatus status = default;
        var error = Errno.Of(LibC.statx(file, "", EmptyPath, StatAccess, &status));
        (mode, uid, gid) = (status.Mode & Permissions, status.UserId, status.GroupId);
        return error;
    }

    /// <summary>Returns a file's inode number; 0 when it cannot be told.</summary>
    internal static ulong NumberOf(SafeFileHandle file)
    {
        LibC.FileStatus status = default;
        return LibC.statx(file, "", EmptyPath, StatInode, &status) == 0 ? status.Inode : 0;
    }

    /// <summary>
    /// Returns the magic number of the file system that a file is on (statfs(2)); 0 when it cannot be told.
    /// </summary>
    public static long FileSystemOf(SafeFileHandle file)
    {
        Span<byte> status = stackalloc byte[FileSystemStatusSize];
        fixed (byte* bytes = status)
        {
            return LibC.fstatfs(file, bytes) == 0 ? MemoryMarshal.Read<nint>(status) : 0;
        }
    }

    /// <summary>
    /// Returns the names in a directory, except . and ..; none when it cannot be read. Does not look at what they name.
    /// </summary>
    /// <param name="directory">The directory.</param>
    /// <param name="withHidden">False to leave out names that begin with a dot.</param>
    public static IReadOnlyList<string> NamesIn(string directory, bool withHidden = false) =>
        NamesOf(LibC.opendir(directory), withHidden);

    /// <inheritdoc cref="NamesIn(string, bool)"/>
    /// <param name="directory">The directory, from its beginning; closed afterwards.</param>
    internal static IReadOnlyList<string> NamesIn(SafeFileHandle directory)
    {
        nint stream = LibC.fdopendir(directory.DangerousGetHandle());
        if (stream != 0)
        {
            directory.SetHandleAsInvalid(); // the stream closes it
        }

        return NamesOf(stream, withHidden: false);
    }

    /// <summary>Returns the target of a symbolic link; null when there is no such link.</summary>
    internal static string? ReadLink(SafeFileHandle directory, string path)
    {
        Span<byte> target = stackalloc byte[LongestPath];
        fixed (byte* start = target)
        {
            nint length = LibC.readlinkat(directory, path, start, LongestPath);
            return length < 0 ? null : Encoding.UTF8.GetString(start, (int)length);
        }
    }

    /// <summary>
    /// Returns a path that leads to an open file as long as it is open: for calls that refuse some descriptors, or that
    /// take only paths, where the file's own path may lead to another file by now.
    /// </summary>
    public static string PathOf(SafeFileHandle file) =>
        string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{file.DangerousGetHandle()}");

    private static List<string> NamesOf(nint stream, bool withHidden)
    {
        var names = new List<string>();
        if (stream == 0)
        {
            return names;
        }

        for (byte* entry = LibC.readdir64(stream); entry is not null; entry = LibC.readdir64(stream))
        {
            string name = Marshal.PtrToStringUTF8((nint)(entry + EntryName))!;
            if (name is not ("." or "..") && (withHidden || name[0] != '.'))
            {
                names.Add(name);
            }
        }

        _ = LibC.closedir(stream);
        return names;
    }

    [SkipLocalsInit]
    private static Errno WritePiece(SafeFileHandle file, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body)
    {
        // Twice the room: one half of it does not lie across two pages.
        byte* room = stackalloc byte[2 * OnePiece];
        byte* piece = (byte*)(((nuint)room + OnePiece - 1) & ~((nuint)OnePiece - 1));
        header.CopyTo(new Span<byte>(piece, header.Length));
        body.CopyTo(new Span<byte>(piece + header.Length, body.Length));
        nint result;
        do
        {
            result = LibC.write(file, piece, header.Length + body.Length);
        }
        while (result < 0 && Errno.Last == Errno.EINTR);

        // A response may be a secret.
        new Span<byte>(piece + header.Length, body.Length).Clear();
        return Errno.Of(result);
    }

    private static Errno WriteVector(SafeFileHandle file, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body)
    {
        nint result;
        fixed (byte* headerStart = header)
        fixed (byte* bodyStart = body)
        {
            LibC.IoVec* vector = stackalloc LibC.IoVec[2];
            vector[0] = new LibC.IoVec(headerStart, (nuint)header.Length);
            vector[1] = new LibC.IoVec(bodyStart, (nuint)body.Length);
            do
            {
                result = LibC.writev(file, vector, body.IsEmpty ? 1 : 2);
            }
            while (result < 0 && Errno.Last == Errno.EINTR);
        }

        return Errno.Of(result);
    }
}
