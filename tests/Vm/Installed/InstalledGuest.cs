using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Installed;

/// <summary>
/// A Debian with systemd in which the package was installed as an administrator does it, and then a TPM appeared: swtpm behind the kernel's
/// tpm_vtpm_proxy, as /dev/tpm0. See guest/prepare-debian.
/// </summary>
public sealed class InstalledGuest : Guest
{
    /// <summary>All is emulated, and dpkg unpacks 30 MB.</summary>
    internal static readonly TimeSpan Slow = TimeSpan.FromSeconds(300);

    private const string PackageInGuest = "/root/tpmfs.deb";

    public InstalledGuest()
        : base("/lib/systemd/systemd", Prepare())
    {
        Run("systemctl is-system-running --wait", Slow).Succeeded();
        Install();
        Assert.Equal("inactive\n", Run("systemctl is-active tpmfs || true").Output); // there is no TPM
        Run("useradd --create-home --groups tss alice; useradd --create-home bob").Succeeded();
        PlugTpm();
    }

    /// <summary>Runs a script as somebody who is not root.</summary>
    internal Outcome RunAs(string user, string script) => Run($"setpriv --reuid={user} --regid={user} --init-groups sh -euc '{script}'");

    internal void Install() => Run($"dpkg --install {PackageInGuest}", Slow).Succeeded();

    /// <summary>Makes a TPM appear, and waits until it is served.</summary>
    internal void PlugTpm()
    {
        Run("""
            mkdir -p /var/tmp/vtpm
            systemd-run --quiet --unit=vtpm swtpm chardev --tpm2 --vtpm-proxy --tpmstate dir=/var/tmp/vtpm --flags startup-clear
            """).Succeeded();
        UntilServed();
    }

    internal void UnplugTpm() => Run("systemctl stop vtpm").Succeeded();

    internal void UntilServed() => Until("systemctl is-active --quiet tpmfs && test -e /run/tpmfs/rm0");

    /// <summary>Waits for a condition of sh(1), and fails with what the service and the log say.</summary>
    internal void Until(string condition)
    {
        Outcome outcome = Run($"for attempt in $(seq 400); do if {condition}; then exit 0; fi; sleep 0.2; done; systemctl status tpmfs; journalctl -n 50 --no-pager; exit 1", Slow);
        outcome.Succeeded();
    }

    /// <summary>The root of the guest, with the package that 'make deb' left in it. The guest sees it read-only below a tmpfs.</summary>
    private static string Prepare()
    {
        string root = Path.Combine(Scripts, "obj", "debian");
        using (var preparation = new ChildProcess([Path.Combine(Scripts, "guest", "prepare-debian"), root]))
        {
            preparation.Wait(Slow).Succeeded();
        }

        string package = Assert.Single(Directory.GetFiles(Path.Combine(Repository, "out"), "tpmfs_*.deb"));
        File.Copy(package, root + PackageInGuest, overwrite: true);
        return root;
    }
}
