using TpmFs.Host;

namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>The units of systemd, as systemd reads them.</summary>
public sealed class UnitTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Systemd_has_nothing_to_say_of_them()
    {
        foreach (string name in (string[])["tpmfs.target", "tpmfs-unmount.service"])
        {
            File.Copy(Path.Combine(Systemd, name), Path.Combine(_folder, name));
        }

        string program = Path.Combine(_folder, "tpmfs");
        File.WriteAllText(program, "");
        File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);
        string unit = Path.Combine(_folder, "tpmfs.service");
        File.WriteAllText(unit, Service.Replace("@bindir@", _folder, StringComparison.Ordinal));
        Assert.Equal((0, "", ""), Tool.Run("systemd-analyze", "verify", "--man=no", unit));
    }

    [Theory]
    [InlineData("tpmfs-replace.service")]
    [InlineData("tpmfs-replace-device.service")]
    public void A_unit_in_place_of_the_kernels_node_is_off_by_default_and_goes_with_the_daemon(string name)
    {
        File.WriteAllText(Path.Combine(_folder, "tpmfs.service"), "[Service]\nExecStart=/bin/true\n");
        string unit = Path.Combine(_folder, name);
        File.Copy(Path.Combine(Systemd, name), unit);
        Assert.Equal((0, "", ""), Tool.Run("systemd-analyze", "verify", "--man=no", unit));
        Assert.Contains("BindsTo=tpmfs.service", File.ReadLines(unit));
        Assert.Contains($"disable {name}", File.ReadLines(Path.Combine(Systemd, "90-tpmfs.preset")));
    }

    [Fact]
    public void A_start_that_fails_is_tried_again_without_end_but_for_a_wrong_command_line()
    {
        string[] lines = Service.Split('\n');
        Assert.Contains("Restart=on-failure", lines);
        Assert.Contains("StartLimitIntervalSec=0", lines);
        Assert.Contains("RestartPreventExitStatus=2", lines);
    }

    /// <summary>The unit must not take off the mount of a living daemon, which holds this lock.</summary>
    [Fact]
    public void The_unit_that_takes_off_dead_mounts_looks_at_the_lock_of_the_systems_mount()
    {
        Assert.True(Places.TryFind(null, null, isRoot: true, _ => null, out Places? places, out _));
        Assert.Contains(
            $"lock={places.MountLock};", File.ReadAllText(Path.Combine(Systemd, "tpmfs-unmount.service")),
            StringComparison.Ordinal);
    }

    /// <summary>
    /// With capabilities bounded, the thread that serves clients would stay in class SCHED_IDLE for ever, or never
    /// enter it.
    /// </summary>
    [Fact]
    public void The_daemon_may_enter_the_idle_class_and_leave_it()
    {
        string[] lines = Service.Split('\n');
        Assert.Contains("LimitNICE=+0", lines);
        Assert.Contains(
            lines, line => line.StartsWith("SystemCallFilter=mount", StringComparison.Ordinal)
                && line.Contains("sched_setaffinity", StringComparison.Ordinal)
                && line.Contains("sched_setscheduler", StringComparison.Ordinal));
    }

    private static string Systemd => Path.Combine(Repository.Folder, "dist/systemd");

    private static string Service => File.ReadAllText(Path.Combine(Systemd, "tpmfs.service.in"));
}
