using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Tpm.Transports;

/// <summary>Opens what is meant to be a TPM's device, and says what is wrong with what is none.</summary>
[SupportedOSPlatform("linux")]
internal static class DeviceNode
{
    private const uint TypeMask = 0xF000; // S_IFMT, inode(7)
    private const uint CharacterDevice = 0x2000;
    private const uint RegularFile = 0x8000;
    private const long Fuse = 0x65735546; // FUSE_SUPER_MAGIC, linux/magic.h

    /// <summary>Why the kernel's own resource manager is no TPM to manage.</summary>
    public static string NotResourceManager(string path) =>
        $"{path} is the kernel's resource manager, and not the TPM: it swaps everything at every command and keeps saved sessions for ever. "
        + "Name the TPM itself, such as device:/dev/tpm0; programs may go on using the kernel's beside tpmfs";

    /// <summary>Whether a path is a name of the kernel's resource manager.</summary>
    public static bool IsResourceManager(string path) => Path.GetFileName(path.AsSpan()).StartsWith("tpmrm", StringComparison.Ordinal);

    /// <summary>Null with a problem when it cannot be opened, or is no device of a TPM.</summary>
    public static SafeFileHandle? TryOpen(string path, out bool isCharacterDevice, out string problem)
    {
        isCharacterDevice = false;
        int descriptor = Native.Open(path, Native.OpenReadWrite | Native.OpenNonBlock | Native.OpenNoTerminal | Native.OpenCloseOnExec);
        if (descriptor < 0)
        {
            problem = WhyNot(path, Marshal.GetLastPInvokeError());
            return null;
        }

        var device = new SafeFileHandle(descriptor, ownsHandle: true);
        if (!Native.TryGetType(device, out uint mode, out uint major, out uint minor))
        {
            problem = $"cannot look at {path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}";
        }
        else if ((mode & TypeMask) == CharacterDevice && IsResourceManager(KernelName(major, minor)))
        {
            problem = NotResourceManager(path);
        }
        else if ((mode & TypeMask) == RegularFile && Native.FileSystemOf(device) != Fuse)
        {
            problem = $"{path} is a plain file, and not a TPM's device";
        }
        else
        {
            isCharacterDevice = (mode & TypeMask) == CharacterDevice;
            problem = string.Empty;
            return device;
        }

        device.Dispose();
        return null;
    }

    private static string WhyNot(string path, int error) => error switch
    {
        Native.ErrorNoEntry => $"there is no {path}. Is there a TPM, is it switched on in the firmware, and is its driver loaded?",
        Native.ErrorNoDevice or Native.ErrorNoDeviceOrAddress => $"{path} has no device behind it",
        Native.ErrorAccess => $"{path} may not be opened: permission denied",
        Native.ErrorBusy => $"{path} is in use{DeviceHolders.Describe(path)}; one program at a time can have the TPM itself. Stop the other one (fuser -v {path} shows it)",
        _ => $"cannot open {path}: {Marshal.GetPInvokeErrorMessage(error)}",
    };

    /// <summary>What the kernel calls a character device, as sysfs has it; empty where it does not say.</summary>
    private static string KernelName(uint major, uint minor)
    {
        var entry = new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/sys/dev/char/{major}:{minor}"));
        return Path.GetFileName(entry.LinkTarget) ?? string.Empty;
    }
}
