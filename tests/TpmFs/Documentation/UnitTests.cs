namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>The units of systemd, as systemd reads them.</summary>
public sealed class UnitTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Systemd_has_nothing_to_say_of_them()
    {
        var systemd = Path.Combine(Repository.Folder, "dist/systemd");
        File.Copy(Path.Combine(systemd, "tpmfs.target"), Path.Combine(folder, "tpmfs.target"));
        var program = Path.Combine(folder, "tpmfs");
        File.WriteAllText(program, "");
        File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);
        var unit = Path.Combine(folder, "tpmfs.service");
        File.WriteAllText(unit, Service.Replace("@bindir@", folder, StringComparison.Ordinal));
        Assert.Equal((0, "", ""), Tool.Run("systemd-analyze", "verify", "--man=no", unit));
    }

    [Fact]
    public void A_start_that_fails_is_tried_again_without_end_but_for_a_wrong_command_line()
    {
        var lines = Service.Split('\n');
        Assert.Contains("Restart=on-failure", lines);
        Assert.Contains("StartLimitIntervalSec=0", lines);
        Assert.Contains("RestartPreventExitStatus=2", lines);
    }

    private static string Service => File.ReadAllText(Path.Combine(Repository.Folder, "dist/systemd/tpmfs.service.in"));
}
