namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>build/install, which 'make install' and 'make uninstall' run.</summary>
public sealed class InstallTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_installation_says_what_to_type_for_the_service_and_its_removal_leaves_no_program_behind()
    {
        (int code, string? output, string? error) =
            Install("DESTDIR=", $"PREFIX={_folder}/usr", Path.Combine(Repository.Folder, "build/install"), Program());
        Assert.Equal((0, ""), (code, error));
        foreach (string command in (string[])["systemd-sysusers", "systemd-tmpfiles --create",
            "systemctl daemon-reload", "systemctl enable", "journalctl --update-catalog", "udevadm trigger"])
        {
            Assert.Contains($"\n    {command}", output, StringComparison.Ordinal);
        }

        Assert.True(File.Exists(Path.Combine(_folder, "usr/lib/tpmfs/part")));
        string cleaned = Path.Combine(_folder, "cleaned");
        Assert.Equal(
            (0, "", ""),
            Install(
                "DESTDIR=", $"PREFIX={_folder}/usr", Path.Combine(Repository.Folder, "build/install"), "--remove",
                cleaned));
        Assert.Empty(Directory.GetFiles(Path.Combine(_folder, "usr"), "*", SearchOption.AllDirectories));
        Assert.False(Directory.Exists(Path.Combine(_folder, "usr/lib/tpmfs")));
    }

    [Fact]
    public void Into_a_package_it_says_nothing() => Assert.Equal(
        (0, "", ""),
        Install(
            $"DESTDIR={_folder}/package", "PREFIX=/usr", Path.Combine(Repository.Folder, "build/install"), Program()));

    private (int Code, string Output, string Error) Install(params string[] words) => Tool.Run(
        "env", [$"SYSCONFDIR={_folder}/etc", $"SLEEPDIR={_folder}/usr/sleep", "SYSTEMDDIR=", "UDEVDIR=", .. words]);

    /// <summary>Makes the files that 'make standalone' would leave, as far as they matter here.</summary>
    private string Program()
    {
        string program = Directory.CreateDirectory(Path.Combine(_folder, "program")).FullName;
        File.WriteAllText(Path.Combine(program, "tpmfs"), "#!/bin/sh\n");
        File.SetUnixFileMode(Path.Combine(program, "tpmfs"), (UnixFileMode)0b111_101_101);
        File.WriteAllText(Path.Combine(program, "part"), "");
        return program;
    }
}
