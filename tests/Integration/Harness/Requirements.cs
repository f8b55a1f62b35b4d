using System.Globalization;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>
/// Checks what these tests need of the machine. A missing part fails them all and is named; nothing is skipped.
/// </summary>
internal static class Requirements
{
    private static readonly Lazy<string> s_missing = new(() => string.Join("; ", Find()));

    public static void Check()
    {
        if (s_missing.Value.Length > 0)
        {
            throw new InvalidOperationException(
                $"The integration tests cannot run here: {s_missing.Value}. "
                + "'make test' as root installs the packages.");
        }
    }

    private static IEnumerable<string> Find()
    {
        if (Environment.UserName != "root")
        {
            yield return "they need root, to make mount namespaces and to be other users";
        }

        if (!File.Exists("/dev/fuse"))
        {
            yield return "there is no /dev/fuse "
                + "(modprobe fuse; in a container, --device /dev/fuse --cap-add SYS_ADMIN)";
        }

        foreach (string command in (string[])["swtpm", "tpm2_getrandom", "tsscreateprimary", "openssl", "fusermount3",
            "unshare", "nsenter", "setpriv", "setfacl", "bwrap", "podman", "newuidmap", "dbus-daemon", "dbus-send",
            "/usr/sbin/tpm2-abrmd", "/usr/bin/python3"])
        {
            if (!Environment.GetEnvironmentVariable("PATH")!.Split(':')
                .Any(folder => File.Exists(Path.Combine(folder, command))))
            {
                yield return $"there is no {command}";
            }
        }

        if (Group("tss") is null)
        {
            yield return "there is no group tss";
        }

        if (!File.Exists(Daemon.Binary))
        {
            yield return $"there is no {Daemon.Binary} (make build)";
        }
    }

    /// <summary>The number of a group in /etc/group, or null.</summary>
    public static uint? Group(string name) =>
        File.ReadLines("/etc/group").Select(line => line.Split(':')).Where(fields => fields[0] == name)
            .Select(fields => (uint?)uint.Parse(fields[2], CultureInfo.InvariantCulture)).FirstOrDefault();
}
