using Xunit.Abstractions;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// A service that is stopped leaves no mount, whatever state a killed daemon has left it in. systemd runs no command of
/// a service that it stops while it waits to start the next daemon, so the mount used to stay, and each access to it
/// failed.
/// </summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class StopTests(InstalledDebian debian, ITestOutputHelper output) : IDisposable
{
    private const string KillDaemon = "systemctl kill --kill-who=main --signal=KILL tpmfs.service";

    /// <summary>Of the service: systemd does not start the next daemon by itself within a test.</summary>
    private const string LongWait = "RestartSec=10min";

    private readonly DebianGuest _machine = debian.Machine;

    public void Dispose()
    {
        _machine.Run("systemctl start tpmfs.target tpmfs.service").Succeeded();
        _machine.AwaitService("active");
    }

    [Theory]
    [InlineData("systemctl stop tpmfs.service")]
    [InlineData("systemctl stop tpmfs.target")]
    public void A_stop_before_the_next_daemon_is_started_leaves_no_mount_and_ends_what_waits(string stop)
    {
        using var setting = new DropIn(_machine, LongWait);
        Kill();
        _machine.Run("""
            rm -f /run/waiting
            { cat /run/tpmfs/status 2>&1 || true; echo ended; } </dev/null >/run/waiting 2>/dev/null &
            """).Succeeded();
        _machine.Run(stop).Succeeded();
        _machine.Await(InstalledDebian.NothingRuns);
        _machine.Await("grep --quiet ended /run/waiting");
    }

    [Fact]
    public void A_removal_before_the_next_daemon_is_started_leaves_nothing_and_neither_does_a_purge()
    {
        using var setting = new DropIn(_machine, LongWait);
        Kill();
        try
        {
            _machine.Run("apt-get remove --yes tpmfs").Succeeded();
            _machine.Run(InstalledDebian.NothingRuns).Succeeded();
            _machine.Run("apt-get purge --yes tpmfs").Succeeded();
            _machine.Run(InstalledDebian.NothingRuns).Succeeded();
            Assert.Empty(_machine.Ask("systemctl list-units --all --plain --no-legend 'tpmfs*.service'"));
        }
        finally
        {
            _machine.Run($"apt-get install --yes {debian.Package}").Succeeded();
        }
    }

    /// <summary>
    /// The stop comes while systemd notices the death, waits, starts the next daemon, or while that takes over.
    /// </summary>
    [Fact]
    public void A_stop_at_any_moment_after_a_kill_leaves_no_mount()
    {
        for (int i = 0; i < 12; i++)
        {
            string pause = FormattableString.Invariant($"{0.1 * i:0.0}");
            string state = _machine.Ask($$"""
                {{KillDaemon}}
                sleep {{pause}}
                state=$(systemctl show --value --property=SubState tpmfs.service)
                systemctl stop tpmfs.service
                echo $state
                """);
            output.WriteLine($"after {pause} s: {state}");
            _machine.Await(InstalledDebian.NothingRuns);
            _machine.Run("systemctl start tpmfs.service").Succeeded();
        }
    }

    /// <summary>
    /// A mount of another program's, or one of a daemon that lives, is nothing that a killed daemon left.
    /// </summary>
    [Fact]
    public void A_daemon_that_an_administrator_started_by_hand_keeps_its_mount()
    {
        _machine.Run("systemctl stop tpmfs.service").Succeeded();
        _machine.Run("""
            tpmfs mount --tpm embedded --state-dir /run/by-hand </dev/null >/run/by-hand.log 2>&1 &
            echo $! >/run/by-hand.pid
            until [ -e /run/tpmfs/rm0 ]; do sleep 0.1; done
            """).Succeeded();
        try
        {
            _machine.Run("systemctl start --no-block tpmfs.service").Succeeded();
            AwaitTheWait();
            _machine.Run("systemctl stop tpmfs.service tpmfs-unmount.service").Succeeded();
            _machine.Run("cat /run/tpmfs/status").Succeeded();
        }
        finally
        {
            _machine.Run("""
                kill $(cat /run/by-hand.pid)
                until [ ! -e /proc/$(cat /run/by-hand.pid) ]; do sleep 0.1; done
                rm -rf /run/by-hand*
                """).Succeeded();
        }
    }

    private void Kill()
    {
        _machine.Run(KillDaemon).Succeeded();
        AwaitTheWait();
    }

    /// <summary>Waits until systemd waits to start the next daemon.</summary>
    private void AwaitTheWait() =>
        _machine.Await("[ $(systemctl show --value --property=SubState tpmfs.service) = auto-restart ]");
}
