using TpmFs.Configuration;
using TpmFs.Fuse.Character;
using TpmFs.Host;
using TpmFs.Tpm.Transports;

namespace TpmFs.CommandLine;

/// <summary>Checks the machine and the configuration for 'tpmfs doctor', whether or not a daemon runs.</summary>
internal sealed class MachineChecks(SettingsSource source)
{
    private const string FuseDevice = "/dev/fuse";
    private const string DeviceForm = "device:";

    private static readonly Version s_oldestKernel = new(5, 4);

    /// <summary>Gets the configured settings, or the defaults where the configuration cannot be read.</summary>
    public Settings Settings { get; private set; } = new();

    public IEnumerable<Finding> Look()
    {
        yield return Configuration();
        yield return Fuse();
        if (Environment.OSVersion.Version < s_oldestKernel)
        {
            yield return Finding.Wrong(
                "kernel", $"Linux {Environment.OSVersion.Version} is older than {s_oldestKernel}",
                $"boot Linux {s_oldestKernel} or newer: older kernels lack parts of FUSE that tpmfs needs");
        }

        if (Settings.Devices.Count > 0)
        {
            yield return Devices();
        }

        if (Group() is { } group)
        {
            yield return group;
        }

        if (Settings.Tpms.Any(way => way.StartsWith("embedded", StringComparison.Ordinal))
            && !Executables.TryFind("swtpm", out _))
        {
            yield return Finding.Wrong(
                "swtpm", "the configuration names a software TPM, but swtpm is not on the PATH", "apt install swtpm");
        }
    }

    /// <summary>Looks at the TPMs that are configured, which no daemon serves.</summary>
    public IEnumerable<Finding> LookAtTpms()
    {
        foreach (string way in Settings.Tpms)
        {
            if (way.StartsWith(DeviceForm, StringComparison.Ordinal))
            {
                yield return Device(way[DeviceForm.Length..]);
            }
        }
    }

    private static Finding Fuse() => File.Exists(FuseDevice)
        ? Finding.Fine("fuse", $"{FuseDevice} is there")
        : Finding.Wrong(
            "fuse", $"{FuseDevice} is missing: the kernel's module is not loaded, or the container has no such device",
            "modprobe fuse; in a container: --device /dev/fuse --cap-add SYS_ADMIN");

    private static Finding Devices() => CharacterDevice.WhyNone() is { Length: > 0 } problem
        ? Finding.Wrong(
            "devices", $"the configuration names character devices, and {problem}",
            "when the module is there: systemctl reload tpmfs")
        : Finding.Fine("devices", $"{CharacterDevice.Maker} is there");

    private static Finding Device(string path)
    {
        if (!File.Exists(path))
        {
            return Finding.Wrong(
                "tpm", $"there is no {path}",
                "ls /dev/tpm*. If there is none: is the TPM switched on in the firmware, and is its driver loaded "
                    + "(journalctl -k -g tpm)? For a software TPM: \"tpm\": \"embedded\" in the configuration");
        }

        string holders = new DeviceHolders(path).Describe();
        return holders.Length == 0
            ? Finding.Fine("tpm", $"{path} is there, and no process that you can see has it open")
            : Finding.Wrong(
                "tpm", $"{path} is in use{holders}; only one program at a time can have the TPM itself",
                $"stop that program (fuser -v {path}), or have it use /run/tpmfs/rm0");
    }

    private Finding Configuration()
    {
        if (!source.TryRead(out Settings settings, out string problem))
        {
            return Finding.Wrong("configuration", problem, "correct the file; 'tpmfs check-config' checks it again");
        }

        Settings = settings;
        return CheckConfigCommand.IsServable(settings, out problem)
            ? Finding.Fine("configuration", CheckConfigCommand.InOrder(source))
            : Finding.Wrong("configuration", $"{source.Path}: {problem}", $"correct {source.Path}");
    }

    /// <summary>Looks whether a group can have rm0 where the configuration names none.</summary>
    private Finding? Group() =>
        NodeOwner.TryOfRm0(0, 0, Settings.Mode, Settings.Group, NodeOwner.FindGroup, out _, out string? warning, out _)
        && warning is not null
            ? Finding.Note(
                "group", $"there is no group {NodeOwner.DefaultGroup}, so only root can use rm0",
                $"groupadd --system {NodeOwner.DefaultGroup}, then start tpmfs again")
            : null;
}
