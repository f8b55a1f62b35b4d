using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// tpm2-abrmd gives way to the package tpmfs-abrmd, and comes back. The test leaves TpmFs installed, without that
/// package, and its service running.
/// </summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class AbrmdTests(InstalledDebian debian)
{
    private const string Name = "com.intel.tss2.Tabrmd";

    /// <summary>What a user types who has set nothing.</summary>
    private const string GetRandom = "env --unset=TPM2TOOLS_TCTI tpm2_getrandom --hex 8";

    private const string GetRandomByBus = "tpm2_getrandom --tcti=tabrmd --hex 8";

    /// <summary>How many commands the openers of the root's nodes have sent.</summary>
    private const string Commands = "sed -n 's/^commands //p' /run/tpmfs/stat";

    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void The_package_takes_the_place_of_tpm2_abrmd_and_gives_it_back()
    {
        string package = DebianGuest.PathOf(Packages.Abrmd);
        try
        {
            InstallTabrmd();

            _machine.Run($"apt-get install --yes {package}").Succeeded();
            Assert.DoesNotContain("ii ", _machine.Run("dpkg-query --list tpm2-abrmd").Output, StringComparison.Ordinal);
            AssertServesByActivation();
            AssertRefusesAStranger();

            _machine.Run("apt-get remove --yes tpmfs-abrmd").Succeeded();
            _machine.AwaitService("active");
            Assert.NotEqual(0, _machine.Run($"busctl --system status {Name}").ExitCode);
            Assert.DoesNotContain(Name, _machine.Ask("busctl --system list"), StringComparison.Ordinal);
            _machine.RunAs(InstalledDebian.Member, InstalledDebian.GetRandom).Succeeded();

            InstallTabrmd();
        }
        finally
        {
            _machine.Run("apt-get purge --yes tpm2-abrmd tpmfs-abrmd");
            _machine.Run("systemctl start tpmfs.service").Succeeded();
            _machine.AwaitService("active");
        }
    }

    /// <summary>Has tpm2-abrmd serve, for which the TPM must be free.</summary>
    private void InstallTabrmd()
    {
        _machine.Run("systemctl stop tpmfs.service").Succeeded();
        _machine.Run("apt-get install --yes /opt/tpm2-abrmd_*.deb").Succeeded();
        _machine.Await($"busctl --system status {Name}");
        Assert.Equal("tpm2-abrmd", Owner());
        _machine.RunAs(InstalledDebian.Member, GetRandomByBus).Succeeded();
    }

    private void AssertServesByActivation()
    {
        _machine.Run("systemctl stop tpmfs.service").Succeeded();
        Assert.Matches("^[0-9a-f]{16}$", _machine.RunAs(InstalledDebian.Member, GetRandom).Succeeded().Output.Trim());
        _machine.AwaitService("active");
        Assert.Equal("tpmfs", Owner());
        Assert.NotEqual("0", _machine.Ask(Commands));
    }

    private void AssertRefusesAStranger()
    {
        Outcome outcome = _machine.RunAs(InstalledDebian.Stranger, GetRandomByBus);
        Assert.NotEqual(0, outcome.ExitCode);
        Assert.Contains("may not open rm0 of tpmfs", outcome.Error, StringComparison.Ordinal);
    }

    private string Owner() => _machine.Ask($"busctl --system status {Name} | sed -n 's/^Comm=//p'");
}
