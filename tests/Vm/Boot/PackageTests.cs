namespace TpmFs.Vm.Tests.Boot;

/// <summary>Upgrade, removal, purge. Each test leaves a package installed, and its service running.</summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class PackageTests(InstalledDebian debian)
{
    /// <summary>Of the guest's time, for what takes half a minute where it has the processor alone.</summary>
    private static readonly TimeSpan s_underLoad = TimeSpan.FromMinutes(10);

    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void An_upgrade_goes_on_with_a_new_daemon_and_what_was_changed_and_clients_see_no_error()
    {
        string begin = _machine.Now();
        string before = _machine.Show("MainPID");
        _machine.Run("""
            mkdir /run/tpmfs/domains/kept
            echo 7 >/run/tpmfs/domains/kept/objects.max
            echo '// changed' >>/etc/tpmfs/tpmfs.json
            """).Succeeded();
        try
        {
            using (var clients = new Survivors(_machine))
            {
                _machine.Run($"apt-get install --yes {debian.NextPackage}", s_underLoad).Succeeded();
                _machine.AwaitService("active");
                clients.Finish();
            }

            Assert.Equal(Packages.NextVersion, _machine.Ask("dpkg-query --show --showformat='${Version}' tpmfs"));
            Assert.NotEqual(before, _machine.Show("MainPID"));
            Assert.Equal("7", _machine.Ask("cat /run/tpmfs/domains/kept/objects.max"));
            Assert.Equal("// changed", _machine.Ask("tail -n 1 /etc/tpmfs/tpmfs.json"));
            Assert.Equal("1", _machine.Ask("grep --count ' /run/tpmfs ' /proc/mounts"));
            _machine.RunAs(InstalledDebian.Member, InstalledDebian.GetRandom).Succeeded();
            Assert.Empty(_machine.Log(begin, "--priority=warning"));
        }
        finally
        {
            _machine.Run("rmdir /run/tpmfs/domains/kept; sed -i '$d' /etc/tpmfs/tpmfs.json").Succeeded();
        }
    }

    [Fact]
    public void A_removal_leaves_nothing_that_runs_and_a_purge_nothing_at_all()
    {
        string begin = _machine.Now();
        _machine.Run("apt-get remove --yes tpmfs").Succeeded();
        try
        {
            _machine.Run(
                $"{InstalledDebian.NothingRuns}; "
                    + "[ -e /etc/tpmfs/tpmfs.json ]; [ -e /var/lib/tpmfs ]; [ ! -e /usr/lib/tpmfs ]").Succeeded();
            Assert.Equal("not-found", _machine.Show("LoadState"));
            Assert.Empty(_machine.Log(begin, "--priority=warning"));

            _machine.Run("apt-get purge --yes tpmfs").Succeeded();
            Assert.Empty(
                _machine.Ask(
                    $"{InstalledDebian.NothingRuns}; find /etc /run /usr /var -xdev -name '*tpmfs*' -print; "
                    + $"find /run -name '*tpmfs*'"));
        }
        finally
        {
            _machine.Run($"apt-get install --yes {debian.Package}").Succeeded();
            _machine.AwaitService("active");
        }
    }
}
