namespace TpmFs.Vm.Tests.Boot;

/// <summary>Upgrade, removal, purge. Each test leaves the package installed, and the service running.</summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class PackageTests(InstalledDebian debian)
{
    /// <summary>What is there as long as a daemon runs, or was killed: fails if there is any of it.</summary>
    private const string NothingRuns = "! grep /run/tpmfs /proc/mounts; ! grep -lx tpmfs /proc/[0-9]*/comm; [ ! -e /run/tpmfs ]";

    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void An_upgrade_goes_on_with_a_new_daemon_and_what_was_changed()
    {
        string begin = _machine.Now();
        string before = _machine.Show("MainPID");
        _machine.Run("mkdir /run/tpmfs/domains/kept; echo 7 >/run/tpmfs/domains/kept/objects.max").Succeeded();
        try
        {
            _machine.Run($"apt-get install --yes {debian.NextPackage}").Succeeded();
            _machine.AwaitService("active");
            Assert.Equal(Packages.NextVersion, _machine.Ask("dpkg-query --show --showformat='${Version}' tpmfs"));
            Assert.NotEqual(before, _machine.Show("MainPID"));
            Assert.Equal("7", _machine.Ask("cat /run/tpmfs/domains/kept/objects.max"));
            Assert.Equal("1", _machine.Ask("grep --count ' /run/tpmfs ' /proc/mounts"));
            _machine.RunAs(InstalledDebian.Member, InstalledDebian.GetRandom).Succeeded();
            Assert.Empty(_machine.Log(begin, "--priority=warning"));
        }
        finally
        {
            _machine.Run($"apt-get install --yes --allow-downgrades {debian.Package}").Succeeded();
            _machine.AwaitService("active");
            _machine.Run("rmdir /run/tpmfs/domains/kept").Succeeded();
        }
    }

    [Fact]
    public void A_removal_leaves_the_configuration_and_the_state_and_nothing_that_runs() => Remove("remove", () =>
    {
        _machine.Run($"{NothingRuns}; [ -e /etc/tpmfs/tpmfs.json ]; [ -e /var/lib/tpmfs ]; [ ! -e /usr/lib/tpmfs ]").Succeeded();
        Assert.Equal("not-found", _machine.Show("LoadState"));
    });

    [Fact]
    public void A_purge_leaves_nothing() => Remove("purge", () =>
        Assert.Empty(_machine.Ask(
            $"{NothingRuns}; find / -xdev -path /repository -prune -o -name '*tpmfs*' -not -path '/var/cache/*' -not -path '/var/log/*' -not -path '/root/*' -print; find /run -name '*tpmfs*'")));

    private void Remove(string how, Action check)
    {
        string begin = _machine.Now();
        _machine.Run($"apt-get {how} --yes tpmfs").Succeeded();
        try
        {
            check();
            Assert.Empty(_machine.Log(begin, "--priority=warning"));
        }
        finally
        {
            _machine.Run($"apt-get install --yes {debian.Package}").Succeeded();
            _machine.AwaitService("active");
        }
    }
}
