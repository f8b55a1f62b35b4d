namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>build/install, which 'make install' and 'make uninstall' run.</summary>
public sealed class InstallTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void It_says_what_to_type_for_the_service_and_its_removal_leaves_no_program_behind()
    {
        var (code, output, error) = Install("DESTDIR=", $"PREFIX={folder}/usr", Path.Combine(Repository.Folder, "build/install"), Program());
        Assert.Equal((0, ""), (code, error));
        foreach (var command in (string[])["systemd-sysusers", "systemd-tmpfiles --create", "systemctl daemon-reload", "systemctl enable", "journalctl --update-catalog", "udevadm trigger"])
        {
            Assert.Contains($"\n    {command}", output, StringComparison.Ordinal);
        }

        Assert.True(File.Exists(Path.Combine(folder, "usr/lib/tpmfs/part")));
        var cleaned = Path.Combine(folder, "cleaned");
        Assert.Equal((0, "", ""), Install("DESTDIR=", $"PREFIX={folder}/usr", Path.Combine(Repository.Folder, "build/install"), "--remove", cleaned));
        Assert.Empty(Directory.GetFiles(Path.Combine(folder, "usr"), "*", SearchOption.AllDirectories));
        Assert.False(Directory.Exists(Path.Combine(folder, "usr/lib/tpmfs")));
    }

    [Fact]
    public void Into_a_package_it_says_nothing() => Assert.Equal(
        (0, "", ""), Install($"DESTDIR={folder}/package", "PREFIX=/usr", Path.Combine(Repository.Folder, "build/install"), Program()));

    private (int Code, string Output, string Error) Install(params string[] words) => Tool.Run(
        "env", [$"SYSCONFDIR={folder}/etc", $"SLEEPDIR={folder}/usr/sleep", "SYSTEMDDIR=", "UDEVDIR=", .. words]);

    /// <summary>What 'make standalone' would leave, as far as it matters here.</summary>
    private string Program()
    {
        var program = Directory.CreateDirectory(Path.Combine(folder, "program")).FullName;
        File.WriteAllText(Path.Combine(program, "tpmfs"), "#!/bin/sh\n");
        File.SetUnixFileMode(Path.Combine(program, "tpmfs"), (UnixFileMode)0b111_101_101);
        File.WriteAllText(Path.Combine(program, "part"), "");
        return program;
    }
}
