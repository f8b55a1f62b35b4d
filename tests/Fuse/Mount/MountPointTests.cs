using System.Diagnostics;
using System.Globalization;

namespace TpmFs.Fuse.Tests.Mount;

/// <summary>Tests which places may be mounted on, and what happens to mounts that earlier servers left there.</summary>
public sealed class MountPointTests : IDisposable
{
    /// <summary>Mounts as a server would, and goes away at once.</summary>
    private const string DyingServer = """
        import ctypes, os, sys
        fd = os.open('/dev/fuse', os.O_RDWR)
        libc = ctypes.CDLL(None, use_errno=True)
        options = b'fd=%d,rootmode=40000,user_id=0,group_id=0' % fd
        if libc.mount(b'toyfs', sys.argv[1].encode(), b'fuse.toyfs', 0, options):
            sys.exit(os.strerror(ctypes.get_errno()))
        """;

    private readonly MountNamespace _space = new();

    public void Dispose() => _space.Dispose();

    [Fact]
    public void A_mount_whose_server_was_killed_is_cleaned_up_by_the_next()
    {
        using var killed = ToyServer.Start(_space);
        killed.Kill();
        Assert.Contains("not connected", _space.Run("ls", _space.MountPoint).Errors, StringComparison.Ordinal);

        using var next = ToyServer.Start(_space);

        Assert.Single(_space.Mounts);
        Assert.Equal("hello, world\n", _space.Succeed("cat", $"{_space.MountPoint}/hello"));
        next.Stop();
        Assert.Empty(_space.Mounts);
    }

    [Fact]
    public void Every_dead_layer_is_cleaned_up()
    {
        using var killed = ToyServer.Start(_space);
        killed.Kill();
        _space.Succeed("python3", "-c", DyingServer, _space.MountPoint);
        _space.Succeed("python3", "-c", DyingServer, _space.MountPoint);
        Assert.Equal(3, _space.Mounts.Length);

        using var next = ToyServer.Start(_space);

        Assert.Single(_space.Mounts);
        next.Stop();
    }

    [Fact]
    public void A_dead_mount_with_a_file_open_in_it_is_cleaned_up()
    {
        using var killed = ToyServer.Start(_space);
        using Process client =
            _space.StartPython("fd = os.open('hello', os.O_RDONLY); print('open'); sys.stdin.read()");
        Assert.Equal("open", client.StandardOutput.ReadLine());
        killed.Kill();

        using var next = ToyServer.Start(_space);

        Assert.Single(_space.Mounts);
        client.StandardInput.Close();
        Assert.Equal(0, MountNamespace.Wait(client, "the client").Code);
        next.Stop();
    }

    [Fact]
    public void A_live_mount_is_refused_and_goes_on()
    {
        using var live = ToyServer.Start(_space);

        string problem = ToyServer.Refused(_space, _space.MountPoint);

        Assert.Contains(
            $"process {live.Id.ToString(CultureInfo.InvariantCulture)} (serving '{_space.MountPoint}')", problem,
            StringComparison.Ordinal);
        Assert.Equal("hello, world\n", _space.Succeed("cat", $"{_space.MountPoint}/hello"));
        live.Stop();
    }

    [Fact]
    public void A_stopped_server_that_hangs_is_still_a_live_one_and_the_refusal_does_not_hang()
    {
        using var live = ToyServer.Start(_space);
        string pid = live.Id.ToString(CultureInfo.InvariantCulture);
        _space.Succeed("kill", "-STOP", pid);

        string problem = ToyServer.Refused(_space, _space.MountPoint);

        Assert.Contains("is in use", problem, StringComparison.Ordinal);
        _space.Succeed("kill", "-CONT", pid);
        live.Stop();
    }

    [Fact]
    public void A_foreign_mount_is_refused_and_left_alone()
    {
        _space.Succeed("mount", "-t", "tmpfs", "somebody", _space.MountPoint);

        string problem = ToyServer.Refused(_space, _space.MountPoint);

        Assert.Contains("type tmpfs from 'somebody'", problem, StringComparison.Ordinal);
        Assert.Contains($"umount '{_space.MountPoint}'", problem, StringComparison.Ordinal);
        Assert.Single(_space.Mounts);
    }

    [Fact]
    public void A_foreign_mount_over_a_dead_one_is_refused_and_both_stay()
    {
        using var killed = ToyServer.Start(_space);
        killed.Kill();
        _space.Succeed("mount", "-i", "-t", "tmpfs", "somebody", _space.MountPoint);

        Assert.Contains("type tmpfs", ToyServer.Refused(_space, _space.MountPoint), StringComparison.Ordinal);

        Assert.Equal(2, _space.Mounts.Length);
    }

    [Fact]
    public void A_missing_mount_point_is_made_and_removed_where_that_is_wanted()
    {
        Directory.Delete(_space.MountPoint);
        using var server = ToyServer.Start(_space, "create");

        server.Stop();

        Assert.False(Directory.Exists(_space.MountPoint));
    }

    [Fact]
    public void A_missing_mount_point_is_refused_else()
    {
        string missing = Path.Combine(_space.Folder, "missing");

        Assert.Contains($"mkdir '{missing}'", ToyServer.Refused(_space, missing), StringComparison.Ordinal);
        Assert.Contains(
            "cannot be opened: No such file", ToyServer.Refused(_space, $"{missing}/below", "create"),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_and_the_root_are_refused()
    {
        string file = Path.Combine(_space.Folder, "file");
        File.WriteAllText(file, string.Empty);

        Assert.Contains("not a directory", ToyServer.Refused(_space, file), StringComparison.Ordinal);
        Assert.Contains("root directory", ToyServer.Refused(_space, "/"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("a\nb")]
    [InlineData("a\\b\\040c")]
    [InlineData("ä#")]
    public void A_mount_point_of_any_name_is_mounted_cleaned_up_and_unmounted(string name)
    {
        string mountPoint = Directory.CreateDirectory(Path.Combine(_space.Folder, name)).FullName;
        using ToyServer killed = Launch(mountPoint);
        killed.Kill();

        using ToyServer next = Launch(mountPoint);

        Assert.Single(_space.Mounts);
        next.Stop();
        Assert.Empty(_space.Mounts);
    }

    [Fact]
    public void A_mount_point_behind_a_link_is_the_directory_it_points_to()
    {
        string link = Path.Combine(_space.Folder, "link");
        File.CreateSymbolicLink(link, "mnt/");
        using ToyServer killed = Launch(link);
        killed.Kill();

        using ToyServer next = Launch(link);

        Assert.Contains($" {_space.MountPoint} ", Assert.Single(_space.Mounts), StringComparison.Ordinal);
        next.Stop();
        Assert.Empty(_space.Mounts);
    }

    [Fact]
    public void Links_in_a_circle_are_refused()
    {
        string link = Path.Combine(_space.Folder, "link");
        File.CreateSymbolicLink(link, "link");

        Assert.Contains("too many symbolic links", ToyServer.Refused(_space, link), StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_device_is_named_with_what_to_do()
    {
        _space.Succeed(
            "sh", "-c",
            "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/zero c 1 5 && mknod /dev/urandom c 1 9 "
                + "&& mknod /dev/random c 1 8");

        Assert.Contains("modprobe fuse", ToyServer.Refused(_space, _space.MountPoint), StringComparison.Ordinal);
    }

    private ToyServer Launch(string mountPoint)
    {
        var server = ToyServer.Launch(_space, [.. ToyServer.Command, mountPoint, _space.LockFile]);
        server.WaitFor("ready");
        return server;
    }
}
