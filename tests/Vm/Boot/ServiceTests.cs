namespace TpmFs.Vm.Tests.Boot;

/// <summary>The service's life under systemd.</summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class ServiceTests(InstalledDebian debian)
{
    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void A_restart_leaves_one_daemon_and_one_mount()
    {
        string begin = _machine.Now();
        string before = _machine.Show("MainPID");
        _machine.Run("systemctl restart tpmfs.service").Succeeded();
        AssertServed();
        Assert.NotEqual(before, _machine.Show("MainPID"));
        Assert.Empty(_machine.Log(begin, "--priority=warning"));
    }

    [Fact]
    public void A_stop_leaves_no_process_no_mount_and_no_mount_point()
    {
        string begin = _machine.Now();
        _machine.Run("systemctl stop tpmfs.service").Succeeded();
        try
        {
            Assert.Equal("success", _machine.Show("Result"));
            _machine.Run(InstalledDebian.NothingRuns).Succeeded();
            Assert.Empty(_machine.Log(begin, "--priority=warning"));
        }
        finally
        {
            _machine.Run("systemctl start tpmfs.service").Succeeded();
        }

        AssertServed();
    }

    [Fact]
    public void A_reload_takes_up_what_was_changed_in_the_configuration()
    {
        string before = _machine.Show("MainPID");
        _machine.Run("""
            cp /etc/tpmfs/tpmfs.json /root
            sed -i '$s/}/, "domains": { "web": {} } }/' /etc/tpmfs/tpmfs.json
            systemctl reload tpmfs.service
            """).Succeeded();
        try
        {
            _machine.Await("[ -e /run/tpmfs/domains/web/rm0 ]");
            Assert.Equal(before, _machine.Show("MainPID"));
        }
        finally
        {
            _machine.Run("cp /root/tpmfs.json /etc/tpmfs; systemctl reload tpmfs.service").Succeeded();
        }

        _machine.Await("[ ! -e /run/tpmfs/domains/web ]");
    }

    [Fact]
    public void A_daemon_that_was_killed_is_started_again_without_its_dead_mount()
    {
        string before = _machine.Show("MainPID");
        _machine.Run("systemctl kill --signal=KILL tpmfs.service").Succeeded();
        _machine.AwaitNewDaemon(before);
        AssertServed();
    }

    [Fact]
    public void A_tpm_that_goes_away_stops_the_service_in_order_and_one_that_comes_starts_it()
    {
        string begin = _machine.Now();
        _machine.Run("systemctl stop tpm.service").Succeeded();
        _machine.AwaitService("inactive");
        Assert.Equal("success", _machine.Show("Result"));
        _machine.Run($"[ ! -e /dev/tpm0 ]; {InstalledDebian.NothingRuns}").Succeeded();

        _machine.Run("systemctl start tpm.service").Succeeded();
        _machine.AwaitService("active");
        AssertServed();
        Assert.Empty(_machine.Log(begin, "--priority=warning"));
    }

    [Fact]
    public void The_sleep_hook_saves_all_before_the_machine_sleeps_and_goes_on_after()
    {
        string begin = _machine.Now();
        _machine.Run("/lib/systemd/system-sleep/tpmfs pre suspend").Succeeded();
        Assert.Equal("suspended", _machine.Ask("cat /run/tpmfs/power"));
        _machine.Run("/lib/systemd/system-sleep/tpmfs post suspend").Succeeded();
        Assert.Equal("awake", _machine.Ask("cat /run/tpmfs/power"));
        AssertServed();
        Assert.Empty(_machine.Log(begin, "--priority=warning"));
    }

    private void AssertServed()
    {
        Assert.Equal("active running", _machine.Show("ActiveState") + " " + _machine.Show("SubState"));
        Assert.Equal("1", _machine.Ask("grep --count ' /run/tpmfs ' /proc/mounts"));
        _machine.RunAs(InstalledDebian.Member, InstalledDebian.GetRandom).Succeeded();
    }
}
