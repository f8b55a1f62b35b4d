using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;
using Xunit.Sdk;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// A Debian on which, while it ran, the package was installed as its documentation says, and which then was booted
/// again. Tests leave it as they found it: the package installed, its service running.
/// </summary>
public sealed class InstalledDebian : IDisposable
{
    /// <summary>As the documentation has it: a member of the group tss may use the TPM.</summary>
    public const string Member = "alice";

    public const string Stranger = "mallory";

    /// <summary>What a user types to see that it works.</summary>
    public const string GetRandom = "tpm2_getrandom --tcti=device:/run/tpmfs/rm0 --hex 8";

    /// <summary>
    /// Fails if there is anything that is there while a daemon runs, or that a killed one leaves. The lists of mounts
    /// and processes are asked, since a test of a path finds nothing where a mount is dead.
    /// </summary>
    public const string NothingRuns =
        "( ! grep /run/tpmfs /proc/mounts && ! grep -lx tpmfs /proc/[0-9]*/comm && [ ! -e /run/tpmfs ] )";

    /// <summary>
    /// What the kernel says about the emulated processor and its timers depends on how busy this machine is.
    /// </summary>
    private const string WithoutHardware = "sed '/ kernel: /{ /fuse\\|tpm/I!d }'";

    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-debian-").FullName;
    private readonly DebianGuest? _guest;

    /// <summary>
    /// Makes it. Nearly all tests of the package need it, so an attempt that fails, because a mirror does not answer or
    /// this machine stands still, is told and made once more.
    /// </summary>
    public InstalledDebian()
    {
        Package = DebianGuest.PathOf(Packages.Built);
        NextPackage = DebianGuest.PathOf(Packages.MakeNext());
        string disk = Path.Combine(_folder, "disk");
        try
        {
            try
            {
                (Installation, FirstUse) = Install(disk);
            }
            catch (Exception problem) when (problem is TimeoutException or XunitException)
            {
                Console.Error.WriteLine($"The first attempt to install Debian failed: {problem}");
                (Installation, FirstUse) = Install(disk);
            }

            _guest = new DebianGuest(disk);
            BootState = _guest.Run("systemctl is-system-running --wait").Output.Trim();
            BootErrors = _guest.Ask(
                $"journalctl --sync; journalctl --boot --quiet --no-pager --priority=err | {WithoutHardware}");
            BootMessages = _guest.Ask(
                "journalctl --boot --quiet --no-pager --output=cat --unit=tpmfs.service --unit=tpmfs.target");
            BootWarnings =
                _guest.Ask("journalctl --boot --quiet --no-pager --priority=warning | grep -i tpmfs || true");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// The package that was installed, and one that only has a higher version, as paths of the guest.
    /// </summary>
    internal string Package { get; }

    internal string NextPackage { get; }

    /// <summary>How the installation ended, and then, in the same boot, the first use of the TPM.</summary>
    internal Outcome Installation { get; }

    internal Outcome FirstUse { get; }

    /// <summary>
    /// What systemd thinks of the second boot, and what had been logged at its end: as an error, by whatever program;
    /// as a warning about TpmFs; by its units.
    /// </summary>
    internal string BootState { get; }

    internal string BootErrors { get; }

    internal string BootWarnings { get; }

    internal string BootMessages { get; }

    /// <summary>The guest in its second boot.</summary>
    internal DebianGuest Machine => _guest!;

    public void Dispose()
    {
        _guest?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Boots a new disk, installs the package, and uses it.</summary>
    private (Outcome Installation, Outcome FirstUse) Install(string disk)
    {
        DebianGuest.MakeDisk(disk);
        using var guest = new DebianGuest(disk);
        Outcome installation = guest.Run($"apt-get install --yes {Package}");
        guest.AwaitService("active");
        guest.Run($"useradd --create-home {Member}; useradd --create-home {Stranger}").Succeeded();
        guest.Run($"usermod --append --groups tss {Member}").Succeeded();
        Outcome firstUse = guest.RunAs(Member, GetRandom);
        guest.PowerOff();
        return (installation, firstUse);
    }
}

/// <summary>
/// One such Debian for all tests that ask for it. Its tests run beside those of other guests: a guest's clock counts
/// its own instructions, so a loaded machine does not hurry it.
/// </summary>
[CollectionDefinition(Name)]
public sealed class InstalledDebianCollection : ICollectionFixture<InstalledDebian>
{
    public const string Name = "installed debian";
}
