using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Devices;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// Character devices of the service: its unit lets it make them, udev leaves their owners alone, and units of systemd
/// can be given one.
/// </summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class DeviceServiceTests(InstalledDebian debian) : IClassFixture<ServiceWithDevices>
{
    private const string Device = "/dev/tpmrmfs0", Kernels = "/dev/tpmrm0";
    private const string Unit = "tpmfs-replace-device.service";
    private const int CannotOpen = 2;

    private static readonly string s_program = DebianGuest.PathOf(DeviceClient.Program);

    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void The_service_makes_devices_and_udev_never_gives_them_to_others()
    {
        AssertAccess(Device, "660 root tss");
        _machine.Run("udevadm trigger --action=add --subsystem-match=cuse; udevadm settle").Succeeded();
        AssertAccess(Device, "660 root tss");
        Assert.Equal("active", _machine.Ask("systemctl is-active dev-tpmrmfs0.device"));

        _machine.Run("mkdir /run/tpmfs/domains/svc").Succeeded();
        try
        {
            _machine.Await("[ -e /dev/tpmfs/svc ]");
            _machine.Run($"chown {InstalledDebian.Stranger} /run/tpmfs/domains/svc/rm0").Succeeded();
            AssertAccess("/dev/tpmfs/svc", $"660 {InstalledDebian.Stranger} root");
            _machine.Run("udevadm trigger --action=change --subsystem-match=cuse; udevadm settle").Succeeded();
            AssertAccess("/dev/tpmfs/svc", $"660 {InstalledDebian.Stranger} root");
            _machine.RunAs(InstalledDebian.Stranger, $"{s_program} /dev/tpmfs/svc 1").Succeeded();
        }
        finally
        {
            _machine.Run("rmdir /run/tpmfs/domains/svc").Succeeded();
        }
    }

    [Fact]
    public void A_unit_is_given_a_device_with_DeviceAllow_and_has_none_without()
    {
        string start = $"systemd-run --quiet --wait --pipe --property=User={InstalledDebian.Member} "
            + "--property=DevicePolicy=closed";
        Assert.Equal("passed", _machine.Ask($"{start} --property='DeviceAllow={Device} rw' {s_program} {Device} 2"));
        Outcome without = _machine.Run($"{start} {s_program} {Device} 2");
        Assert.Equal(CannotOpen, without.ExitCode);
        Assert.Contains("Operation not permitted", without.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Programs_with_the_kernels_path_built_in_use_the_device_until_the_unit_is_disabled()
    {
        string before = NumberOf(Kernels);
        Assert.Equal("disabled", _machine.Run($"systemctl is-enabled {Unit}").Output.Trim());
        _machine.Run($"systemctl enable --now {Unit}").Succeeded();
        try
        {
            AssertReplaced();
            _machine.Run("systemctl restart tpmfs.service").Succeeded();
            AssertReplaced();
            string killed = _machine.Show("MainPID");
            _machine.Run("systemctl kill --signal=KILL tpmfs.service").Succeeded();
            _machine.AwaitNewDaemon(killed);
            AssertReplaced();
        }
        finally
        {
            _machine.Run($"systemctl disable --now {Unit}").Succeeded();
        }

        Assert.Equal(before, NumberOf(Kernels));
        _machine.Run("tpm2_getrandom --hex 8").Succeeded();
    }

    private void AssertReplaced()
    {
        _machine.Await($"systemctl is-active {Unit}");
        Assert.Equal(NumberOf(Device), NumberOf(Kernels));
        Assert.Equal("1", _machine.Ask($"grep -c ' {Kernels} ' /proc/mounts"));
        Assert.Equal(
            "passed", _machine.RunAs(InstalledDebian.Member, $"{s_program} {Kernels} 1").Succeeded().Output.Trim());
        _machine.RunAs(InstalledDebian.Member, "tpm2_getrandom --hex 8").Succeeded();
    }

    private void AssertAccess(string path, string expected) =>
        Assert.Equal(expected, _machine.Ask($"stat --format='%a %U %G' {path}"));

    private string NumberOf(string path) => _machine.Ask($"stat --format=%t:%T {path}");
}

/// <summary>The service with devices, and what uses one.</summary>
public sealed class ServiceWithDevices : IDisposable
{
    private readonly DropIn _devices;
    private readonly DebianGuest _machine;

    public ServiceWithDevices(InstalledDebian debian)
    {
        _machine = debian.Machine;
        _devices = new DropIn(
            _machine,
            "ExecStart=\nExecStart=/usr/bin/tpmfs mount --device tpmrmfs0=rm0 --device tpmfs/*=domains/*/rm0");
        _machine.Run("systemctl restart tpmfs.service").Succeeded();
    }

    public void Dispose()
    {
        _devices.Dispose();
        _machine.Run("systemctl restart tpmfs.service").Succeeded();
    }
}
