using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// Under systemd clients of a character device outlive the daemon, and the device stays the one that it is; when the
/// service is stopped, the device goes.
/// </summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class DeviceHandOverTests : IDisposable
{
    private const string Device = "/dev/tpmrmfs0";
    private const string DropIn = "/etc/systemd/system/tpmfs.service.d/devices.conf";
    private const string Clients = "/repository/tests/Integration/clients/survivors.py";
    private const string Kinds = "hash-edge policy-block saved-edge keys-block kept-block reopen pieces";
    private const string TakeoversScript = "$(sed -n 's/^tpmfs_takeovers_total //p' /run/tpmfs/metrics)";

    private readonly DebianGuest _machine;

    public DeviceHandOverTests(InstalledDebian debian)
    {
        _machine = debian.Machine;
        _machine.Run(
            $"""
            mkdir -p $(dirname {DropIn}) /run/links
            echo '[Service]' >{DropIn}
            echo 'ExecStart=' >>{DropIn}
            echo 'ExecStart=/usr/bin/tpmfs mount --device tpmrmfs0=rm0' >>{DropIn}
            ln -sf {Device} /run/links/rm0
            systemctl daemon-reload
            systemctl restart tpmfs.service
            """).Succeeded();
    }

    public void Dispose() => _machine.Run(
        $"""
        rm {DropIn}
        systemctl daemon-reload
        systemctl restart tpmfs.service
        """).Succeeded();

    [Fact]
    public void Clients_go_on_over_a_restart_and_a_kill_and_a_stop_removes_the_device()
    {
        string number = NumberOf();
        string begin = _machine.Now();
        _machine.Run(
            $$"""
            rm -f /run/device-clients.*
            ( status=0; python3 {{Clients}} /run/links 20 1 {{Kinds}} >/run/device-clients.log 2>&1 || status=$?; \
                echo $status >/run/device-clients.status ) </dev/null >/dev/null 2>&1 &
            sleep 2
            """).Succeeded();
        foreach (string what in (string[])
            ["systemctl restart tpmfs.service", "systemctl kill --kill-who=main --signal=KILL tpmfs.service"])
        {
            string before = Takeovers();
            _machine.Run(what).Succeeded();
            _machine.Await($"[ {TakeoversScript} = {int.Parse(before, null) + 1} ]");
            Assert.Equal(number, NumberOf());
        }

        _machine.Await("[ -e /run/device-clients.status ]");
        Outcome outcome = _machine.Run("cat /run/device-clients.log; exit $(cat /run/device-clients.status)");
        Assert.True(outcome.ExitCode == 0, outcome.Output);
        Assert.DoesNotContain("not taken over", _machine.Log(begin), StringComparison.Ordinal);

        _machine.Run("systemctl stop tpmfs.service").Succeeded();
        Assert.NotEqual(0, _machine.Run($"ls {Device} /sys/class/cuse/tpmrmfs0").ExitCode);
    }

    private string Takeovers() => _machine.Ask($"echo {TakeoversScript}");

    private string NumberOf() => _machine.Ask($"stat --format='%t:%T %a %U %G' {Device}");
}
