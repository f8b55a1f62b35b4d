namespace TpmFs.Fuse.Tests.Mount;

/// <summary>A user who is not root, and fusermount3.</summary>
public sealed class UnprivilegedMountTests : IDisposable
{
    /// <summary>nobody: fusermount3 wants a user that has a name.</summary>
    private const string User = "65534";

    private readonly MountNamespace _space = new();
    private readonly string _program;

    public UnprivilegedMountTests()
    {
        Assert.True(
            File.Exists("/usr/bin/fusermount3"), "the tests of unprivileged mounts need fusermount3 (package fuse3)");

        // The program where any user can read it, a directory of the user's own, and a device that users may open.
        _program = Path.Combine(_space.Folder, "program");
        string own = Path.GetDirectoryName(typeof(UnprivilegedMountTests).Assembly.Location)!;
        Directory.CreateDirectory(_program);
        foreach (string file in new[] { "TpmFs.Fuse.Tests.dll", "TpmFs.Fuse.Tests.runtimeconfig.json", "TpmFs.Fuse.dll",
            "TpmFs.Mirror.dll", "TpmFs.Os.dll" })
        {
            File.Copy(Path.Combine(own, file), Path.Combine(_program, file));
        }

        Home = Directory.CreateDirectory(Path.Combine(_space.Folder, "home")).FullName;
        Directory.CreateDirectory(MountPoint);
        string devices = Directory.CreateDirectory(Path.Combine(_space.Folder, "dev")).FullName;
        _space.Succeed("chown", "-R", $"{User}:{User}", Home);
        _space.Succeed("chmod", "-R", "a+rX", _program);
        _space.Succeed("mount", "-t", "tmpfs", "none", devices);
        _space.Succeed("mknod", "-m", "666", $"{devices}/fuse", "c", "10", "229");
        _space.Succeed("mount", "--bind", $"{devices}/fuse", "/dev/fuse");
    }

    private string Home { get; }

    private string MountPoint => Path.Combine(Home, "mnt");

    private IEnumerable<string> ToyMounts =>
        _space.Mounts.Where(line => line.Contains("fuse.toyfs", StringComparison.Ordinal));

    public void Dispose() => _space.Dispose();

    [Fact]
    public void A_user_mounts_through_fusermount3_for_that_user_alone()
    {
        using ToyServer server = Launch();
        server.WaitFor("ready");

        string line = Assert.Single(ToyMounts);
        Assert.Contains("rw,nosuid,nodev,noexec", line, StringComparison.Ordinal);
        Assert.Contains(
            $"- fuse.toyfs toyfs rw,user_id={User},group_id={User},default_permissions", line,
            StringComparison.Ordinal);
        Assert.DoesNotContain("allow_other", line, StringComparison.Ordinal);
        Assert.Equal("hello, world\n", _space.Succeed([.. AsUser, "cat", $"{MountPoint}/hello"]));
        Assert.Contains("Permission denied", _space.Run("cat", $"{MountPoint}/hello").Errors, StringComparison.Ordinal);
        server.Stop();
        Assert.Empty(ToyMounts);
    }

    [Theory]
    [InlineData("# user_allow_other\n", false)]
    [InlineData("mount_max = 1000\n user_allow_other \n", true)]
    public void Others_are_let_in_only_where_fuse_conf_has_it(string configuration, bool allowed)
    {
        string file = Path.Combine(_space.Folder, "fuse.conf");
        File.WriteAllText(file, configuration);
        _space.Succeed("mount", "--bind", file, "/etc/fuse.conf");
        using ToyServer server = Launch("allow_other");
        if (!allowed)
        {
            server.WaitFor("info The mount is for this user alone");
        }

        server.WaitFor("ready");

        Assert.Equal(allowed, Assert.Single(ToyMounts).Contains("allow_other", StringComparison.Ordinal));
        server.Stop();
    }

    [Fact]
    public void A_dead_mount_is_cleaned_up_by_its_user()
    {
        using ToyServer killed = Launch();
        killed.WaitFor("ready");
        killed.Kill();

        using ToyServer next = Launch();
        next.WaitFor("ready");

        Assert.Single(ToyMounts);
        next.Stop();
        Assert.Empty(ToyMounts);
    }

    [Fact]
    public void A_missing_fusermount3_is_named_with_its_package()
    {
        using var server =
            ToyServer.Launch(_space, [.. AsUser, "env", "PATH=/nowhere", .. Program, MountPoint, $"{Home}/lock"]);

        Assert.Contains("package fuse3", server.WaitFor("refused"), StringComparison.Ordinal);
        Assert.Equal(2, server.WaitForExit());
    }

    [Fact]
    public void The_message_of_fusermount3_is_passed_on()
    {
        Directory.CreateDirectory(Path.Combine(_space.Folder, "roots"));
        using var server =
            ToyServer.Launch(_space, [.. AsUser, .. Program, Path.Combine(_space.Folder, "roots"), $"{Home}/lock"]);

        Assert.Contains(
            "user has no write access to mountpoint", server.WaitFor("refused fusermount3 failed"),
            StringComparison.Ordinal);
        Assert.Equal(2, server.WaitForExit());
    }

    private static string[] AsUser => ["setpriv", "--reuid", User, "--regid", User, "--clear-groups"];

    private string[] Program => [ToyServer.DotNet, Path.Combine(_program, "TpmFs.Fuse.Tests.dll")];

    private ToyServer Launch(params string[] arguments) =>
        ToyServer.Launch(_space, [.. AsUser, .. Program, MountPoint, $"{Home}/lock", .. arguments]);
}
