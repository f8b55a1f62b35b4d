namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// Under systemd clients of a character device outlive the daemon, and the device stays the one that it is; when the
/// service is stopped, the device goes.
/// </summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class DeviceHandOverTests(InstalledDebian debian) : IClassFixture<ServiceWithDevices>
{
    private const string Device = "/dev/tpmrmfs0";

    /// <summary>Where clients that look for rm0 find the device.</summary>
    private const string Links = "/run/links";

    private const string TakeoversScript = "$(sed -n 's/^tpmfs_takeovers_total //p' /run/tpmfs/metrics)";

    private static readonly string[] s_kinds =
        ["hash-edge", "policy-block", "saved-edge", "keys-block", "kept-block", "reopen", "pieces"];

    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void Clients_go_on_over_a_restart_and_a_kill_and_a_stop_removes_the_device()
    {
        _machine.Run($"mkdir -p {Links}; ln -sf {Device} {Links}/rm0").Succeeded();
        string number = NumberOf();
        string begin = _machine.Now();
        using (var clients = new Survivors(_machine, seed: 1, Links, s_kinds))
        {
            foreach (string what in (string[])
                ["systemctl restart tpmfs.service", "systemctl kill --kill-who=main --signal=KILL tpmfs.service"])
            {
                string before = Takeovers();
                _machine.Run(what).Succeeded();
                _machine.Await($"[ {TakeoversScript} = {int.Parse(before, null) + 1} ]");
                Assert.Equal(number, NumberOf());
            }

            clients.Finish();
        }

        Assert.DoesNotContain("not taken over", _machine.Log(begin), StringComparison.Ordinal);
        _machine.Run("systemctl stop tpmfs.service").Succeeded();
        Assert.NotEqual(0, _machine.Run($"ls {Device} /sys/class/cuse/tpmrmfs0").ExitCode);
    }

    private string Takeovers() => _machine.Ask($"echo {TakeoversScript}");

    private string NumberOf() => _machine.Ask($"stat --format='%t:%T %a %U %G' {Device}");
}
