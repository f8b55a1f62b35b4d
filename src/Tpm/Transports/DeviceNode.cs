using System.Globalization;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Tpm.Transports;

/// <summary>Opens a TPM's device, and explains why a path is not one.</summary>
[SupportedOSPlatform("linux")]
internal static class DeviceNode
{
    private const uint TypeMask = 0xF000; // S_IFMT, inode(7)
    private const uint Pipe = 0x1000;
    private const uint CharacterDevice = 0x2000;
    private const uint Folder = 0x4000;
    private const uint BlockDevice = 0x6000;
    private const uint RegularFile = 0x8000;
    private const uint Socket = 0xC000;
    private const long Fuse = 0x65735546; // FUSE_SUPER_MAGIC, linux/magic.h

    /// <summary>Returns why the kernel's resource manager cannot be managed itself, for a person.</summary>
    public static string NotResourceManager(string path) =>
        $"{path} is the kernel's resource manager, and not the TPM: it swaps everything at every command and keeps "
        + "saved sessions for ever. Name the TPM itself, such as device:/dev/tpm0; "
        + "programs may go on using the kernel's resource manager beside tpmfs";

    /// <summary>Returns true when a path has the name of the kernel's resource manager.</summary>
    public static bool IsResourceManager(string path) =>
        Path.GetFileName(path.AsSpan()).StartsWith("tpmrm", StringComparison.Ordinal);

    /// <summary>
    /// Returns whether a path may be that of a TPM's device, as far as that can be told without looking.
    /// </summary>
    /// <param name="problem">The reason why the path cannot be a TPM, for a person; empty where it may be one.</param>
    public static bool MayBeDevice(string path, TransportEnvironment environment, out string problem)
    {
        problem = !Path.IsPathRooted(path)
            ? $"device needs the path of a TPM's device, beginning with /, such as device:/dev/tpm0, and not \"{path}\""
            : IsResourceManager(path) ? NotResourceManager(path)
            : IsBelow(environment.OwnTree, path)
            ? $"{path} is a node of this daemon's own tree, which cannot be its own TPM"
            : string.Empty;
        return problem.Length == 0;
    }

    /// <summary>
    /// Opens the device. Returns null with a problem when it cannot be opened, or when the path does not lead to a
    /// TPM's device. In that case only the path was looked up, and nothing behind it was opened.
    /// </summary>
    /// <param name="holders">Finds the processes that have the same path open.</param>
    public static SafeFileHandle? TryOpen(
        string path, DeviceHolders holders, out bool isCharacterDevice, out string problem)
    {
        isCharacterDevice = false;
        Errno error = FileCalls.Open(path, OpenOptions.PathOnly, 0, out SafeFileHandle named);
        using SafeFileHandle name = named;
        if (error.IsError)
        {
            problem = WhyNot(path, holders, error);
            return null;
        }

        error = FileCalls.ReadType(name, out uint mode, out uint major, out uint minor);
        if (error.IsError)
        {
            problem = $"cannot look at {path}: {error.Text()}";
            return null;
        }

        isCharacterDevice = (mode & TypeMask) == CharacterDevice;
        if (!isCharacterDevice && ((mode & TypeMask) != RegularFile || FileCalls.FileSystemOf(name) != Fuse))
        {
            problem = $"{path} is {Describe(mode & TypeMask)}, and not a TPM's device";
            return null;
        }

        if (isCharacterDevice && IsResourceManager(KernelName(major, minor)))
        {
            problem = NotResourceManager(path);
            return null;
        }

        // Opens the file that was looked at, even if its path leads to another file by now.
        const int Flags = OpenOptions.ReadWrite | OpenOptions.NonBlock | OpenOptions.NoTerminal;
        error = FileCalls.Open(FileCalls.PathOf(name), Flags, 0, out SafeFileHandle device);
        problem = error.IsError ? WhyNot(path, holders, error) : string.Empty;
        return error.IsError ? null : device;
    }

    /// <summary>Returns true for a device of the kernel, and false for a file that behaves like one.</summary>
    public static bool IsCharacterDevice(SafeFileHandle opened) =>
        !FileCalls.ReadType(opened, out uint mode, out _, out _).IsError && (mode & TypeMask) == CharacterDevice;

    private static bool IsBelow(string? tree, string path) =>
        tree is not null && Path.GetFullPath(path).StartsWith(tree.TrimEnd('/') + "/", StringComparison.Ordinal);

    private static string Describe(uint type) => type switch
    {
        RegularFile => "a plain file",
        Folder => "a directory",
        BlockDevice => "a block device, which holds data",
        Pipe => "a named pipe",
        Socket => "a socket",
        _ => "something else",
    };

    private static string WhyNot(string path, DeviceHolders holders, Errno error) => error switch
    {
        _ when error == Errno.ENOENT =>
            $"there is no {path}. Is there a TPM, is it switched on in the firmware, and is its driver loaded?",
        _ when error == Errno.ENODEV || error == Errno.ENXIO => $"{path} has no device behind it",
        _ when error == Errno.EACCES => $"tpmfs may not open {path}: permission denied",
        _ when error == Errno.EBUSY =>
            $"{path} is in use{holders.Describe()}; only one program at a time can have the TPM itself. "
            + $"Stop the other program (fuser -v {path} shows it)",
        _ => $"cannot open {path}: {error.Text()}",
    };

    /// <summary>Returns the kernel's name of a character device, from sysfs; empty where sysfs has none.</summary>
    private static string KernelName(uint major, uint minor)
    {
        string? target = Links.Read(string.Create(CultureInfo.InvariantCulture, $"/sys/dev/char/{major}:{minor}"));
        return Path.GetFileName(target) ?? string.Empty;
    }
}
