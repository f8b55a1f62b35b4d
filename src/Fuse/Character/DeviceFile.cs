using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse.Character;

/// <summary>
/// The file in /dev that leads to a device: its owner, mode and ACL. The file is held by a descriptor that does not
/// open the device, since whoever opens it waits for the session that serves it. There is none where an earlier process
/// has removed the file. One thread at a time.
/// </summary>
internal sealed class DeviceFile : IDisposable
{
    public const uint TypeMask = 0xF000; // S_IFMT
    public const uint CharacterDevice = 0x2000; // S_IFCHR
    private const uint NotListed = 0b111_001_001;
    private static readonly TimeSpan s_endLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_endLook = TimeSpan.FromMilliseconds(5);

    private readonly string _path;
    private readonly SafeFileHandle? _file;
    private DeviceAccess _access;

    private DeviceFile(string path, SafeFileHandle? file, DeviceNumber number)
    {
        _path = path;
        _file = file;
        _access = file is null ? DeviceAccess.Unknown : ReadAccess(file);
        Number = number;
    }

    public DeviceNumber Number { get; }

    /// <summary>
    /// Makes the directories of a device's path that are missing, so that nobody but root lists them. The kernel would
    /// make them for everybody, and keep a directory's lock while it copies a listing into memory that may never
    /// arrive; it waits for that lock to make and remove devices, and whoever opens another device waits with it.
    /// </summary>
    public static void MakeDirectories(string name)
    {
        for (int end = name.IndexOf('/'); end >= 0; end = name.IndexOf('/', end + 1))
        {
            string path = DeviceName.PathOf(name[..end]);
            if (FileCalls.MakeDirectory(path, NotListed).IsError)
            {
                continue; // It is there, or the kernel makes it.
            }

            // The umask may have taken what was asked for.
            _ = FileCalls.Open(
                path, OpenOptions.PathOnly | OpenOptions.NoFollow | OpenOptions.Directory, mode: 0,
                out SafeFileHandle directory);
            using (directory)
            {
                _ = FileCalls.SetMode(directory, NotListed);
            }
        }
    }

    /// <summary>Removes the directories of a device's path that are empty.</summary>
    public static void RemoveDirectories(string name)
    {
        for (int end = name.LastIndexOf('/'); end > 0; end = name.LastIndexOf('/', end - 1))
        {
            if (FileCalls.RemoveDirectory(DeviceName.PathOf(name[..end])).IsError)
            {
                return;
            }
        }
    }

    /// <summary>
    /// Waits until the kernel has removed a device whose connection this process has closed: another process may still
    /// have a duplicate of the connection, which it is about to close.
    /// </summary>
    public static void AwaitEnd(string name)
    {
        long deadline = Environment.TickCount64 + (long)s_endLimit.TotalMilliseconds;
        while (TryReadNumber(name, out _) && Environment.TickCount64 < deadline)
        {
            Thread.Sleep(s_endLook);
        }
    }

    /// <summary>
    /// Finds the file of a device that the kernel has made, and sees that it leads to that device and to no other.
    /// </summary>
    /// <param name="name">The device's name.</param>
    /// <param name="mayBeRemoved">True when the device may have no file any more.</param>
    /// <param name="file">The file.</param>
    /// <param name="problem">The error: its cause, its place, and the remedy. Empty on success.</param>
    public static bool TryFind(
        string name, bool mayBeRemoved, [NotNullWhen(true)] out DeviceFile? file, out string problem)
    {
        file = null;
        string path = DeviceName.PathOf(name);
        if (!TryReadNumber(name, out DeviceNumber number))
        {
            problem = $"the kernel did not make the device {path}: another device has its name or number "
                + "(ls /sys/class/cuse; journalctl -k)";
            return false;
        }

        Errno error = FileCalls.Open(
            path, OpenOptions.PathOnly | OpenOptions.NoFollow, mode: 0, out SafeFileHandle handle);
        if (!error.IsError)
        {
            error = FileCalls.ReadType(handle, out uint mode, out uint major, out uint minor);
            if (!error.IsError && (mode & TypeMask) == CharacterDevice && number == new DeviceNumber(major, minor))
            {
                file = new DeviceFile(path, handle, number);
                problem = "";
                return true;
            }
        }

        handle.Dispose();
        if (mayBeRemoved)
        {
            file = new DeviceFile(path, null, number);
            problem = "";
            return true;
        }

        problem = error.IsError
            ? $"the kernel made a device, but {path} is not there ({error.Text()}): tpmfs needs the system's own /dev, "
                + "a devtmpfs"
            : $"{path} leads to something else than the device that the kernel made for it; rename the device";
        return false;
    }

    /// <summary>
    /// Sets owner, mode and ACL. Between the steps nobody may open the device, except those who may open it both before
    /// and after. Needs root's user id and CAP_CHOWN.
    /// </summary>
    /// <param name="access">The permissions from now on.</param>
    /// <returns>The error of the first step that failed; nobody but root may open the device then.</returns>
    public Errno SetAccess(DeviceAccess access)
    {
        if (access == _access)
        {
            return Errno.None;
        }

        if (_file is null)
        {
            return Errno.ENOENT;
        }

        Errno error = Change(_file, access);
        if (error.IsError)
        {
            _ = FileCalls.SetMode(_file, 0);
        }

        _access = error.IsError ? DeviceAccess.Unknown : access;
        return error;
    }

    /// <summary>Removes the file, so that no process finds the device by its name.</summary>
    public Errno Remove()
    {
        // Another file may have its place by now, which is left alone.
        Errno error = FileCalls.Open(
            _path, OpenOptions.PathOnly | OpenOptions.NoFollow, mode: 0, out SafeFileHandle found);
        using (found)
        {
            if (error.IsError)
            {
                return error;
            }

            error = FileCalls.ReadType(found, out uint mode, out uint major, out uint minor);
            return error.IsError ? error
                : (mode & TypeMask) == CharacterDevice && Number == new DeviceNumber(major, minor)
                    ? FileCalls.Remove(_path)
                : Errno.ENOENT;
        }
    }

    public void Dispose() => _file?.Dispose();

    /// <summary>
    /// Sets the permissions on a file that only root owns and may open, since only a file's owner changes its mode and
    /// ACL. The last steps give the file to its new owner.
    /// </summary>
    private static Errno Change(SafeFileHandle file, DeviceAccess access)
    {
        Errno error = FileCalls.SetOwner(file, 0, FileCalls.NoChange);
        error = error.IsError ? error : FileCalls.SetMode(file, 0);
        error = error.IsError ? error : FileCalls.SetOwner(file, FileCalls.NoChange, access.Gid);
        if (!error.IsError && access.Acl.IsEmpty)
        {
            error = FileCalls.RemoveAttribute(file, FileCalls.AccessAcl);
            error = error == Errno.ENODATA || error == Errno.EOPNOTSUPP ? Errno.None : error;
            error = error.IsError ? error : FileCalls.SetMode(file, access.Mode);
        }
        else if (!error.IsError)
        {
            error = FileCalls.SetAttribute(file, FileCalls.AccessAcl, access.Acl.Span);
        }

        return error.IsError ? error : FileCalls.SetOwner(file, access.Uid, FileCalls.NoChange);
    }

    private static DeviceAccess ReadAccess(SafeFileHandle file)
    {
        Errno error = FileCalls.ReadAccess(file, out uint mode, out uint uid, out uint gid);
        Errno noAcl = FileCalls.ReadAttribute(file, FileCalls.AccessAcl, out byte[] acl);
        return error.IsError || (noAcl.IsError && noAcl != Errno.ENODATA && noAcl != Errno.EOPNOTSUPP)
            ? DeviceAccess.Unknown : new DeviceAccess(uid, gid, mode, acl);
    }

    private static bool TryReadNumber(string name, out DeviceNumber number)
    {
        number = default;
        try
        {
            string[] parts = File.ReadAllText($"/sys/class/cuse/{DeviceName.ForKernel(name)}/dev").Trim().Split(':');
            if (parts.Length == 2
                && uint.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out uint major)
                && uint.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out uint minor))
            {
                number = new DeviceNumber(major, minor);
                return true;
            }
        }
        catch (IOException)
        {
            // There is no such device.
        }

        return false;
    }
}
