using TpmFs.Configuration;
using TpmFs.Host;

namespace TpmFs.Daemon.Tests.Host;

public sealed class PlacesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Root_has_the_systems_places()
    {
        Places places = Find(isRoot: true);

        Assert.Equal(
            ("/run/tpmfs", true, "/var/lib/tpmfs"),
            (places.MountPoint, places.IsDefaultMountPoint, places.StateDirectory));
        Assert.StartsWith("/run/tpmfsd/tpmfs-", places.RuntimeDirectory, StringComparison.Ordinal);
    }

    [Fact]
    public void A_user_has_their_own()
    {
        Places places = Find(isRoot: false, ("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "/home/seven"));

        Assert.Equal(
            ("/run/user/7/tpmfs", "/home/seven/.local/state/tpmfs"), (places.MountPoint, places.StateDirectory));
        Assert.StartsWith("/run/user/7/tpmfsd/tpmfs-", places.RuntimeDirectory, StringComparison.Ordinal);
        Assert.Equal(
            "/s/tpmfs",
            Find(false, ("XDG_RUNTIME_DIR", "/r"), ("HOME", "/h"), ("XDG_STATE_HOME", "/s")).StateDirectory);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("relative")]
    public void Without_a_runtime_directory_a_user_learns_what_to_set(string? runtime)
    {
        Assert.False(
            Places.TryFind(
                null, null, false, name => name == "XDG_RUNTIME_DIR" ? runtime : "/home/x", out _,
                out string? problem));
        Assert.Contains("export XDG_RUNTIME_DIR=", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_home_a_user_learns_to_name_the_state_directory()
    {
        static string? Variable(string name) => name == "XDG_RUNTIME_DIR" ? "/r" : null;

        Assert.False(Places.TryFind(null, null, false, Variable, out _, out string? problem));
        Assert.Contains("--state-dir", problem, StringComparison.Ordinal);
        Assert.True(Places.TryFind(null, "/s", false, Variable, out _, out _));
    }

    [Fact]
    public void What_is_named_is_used_and_each_mount_point_has_a_runtime_directory_of_its_own_outside_it()
    {
        Assert.True(Places.TryFind("/mnt/a", "/s", true, _ => null, out Places? a, out _));
        Assert.True(Places.TryFind("/other/a/", "/s", true, _ => null, out Places? b, out _));

        Assert.Equal(("/mnt/a", false, "/s"), (a.MountPoint, a.IsDefaultMountPoint, a.StateDirectory));
        Assert.Equal("/other/a", b.MountPoint);
        Assert.NotEqual(a.RuntimeDirectory, b.RuntimeDirectory);
        Assert.NotEqual(a.MountLock, a.DaemonLock);
    }

    [Fact]
    public void One_mount_point_has_one_runtime_directory_whatever_links_lead_to_it()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "real/mnt"));
        File.CreateSymbolicLink(Path.Combine(_folder, "link"), "real");
        File.CreateSymbolicLink(Path.Combine(_folder, "real/other"), "../link/./mnt");
        string direct = Places.TryFind(Path.Combine(_folder, "real/mnt"), null, true, _ => null, out Places? a, out _)
            ? a.RuntimeDirectory : "a";

        foreach (string way in (string[])["link/mnt", "real/other", "link/other", "real/../link/mnt/"])
        {
            Assert.True(Places.TryFind(Path.Combine(_folder, way), null, true, _ => null, out Places? b, out _));
            Assert.Equal(direct, b.RuntimeDirectory);
        }
    }

    [Fact]
    public void A_runtime_directory_leaves_room_for_a_sockets_path()
    {
        Assert.True(Places.TryFind("/" + new string('x', 200), null, true, _ => null, out Places? places, out _));
        Assert.InRange(places.RuntimeDirectory.Length, 1, 60);
    }

    private static Places Find(bool isRoot, params (string Name, string Value)[] variables)
    {
        bool found = Places.TryFind(
            null, null, isRoot, name => variables.FirstOrDefault(v => v.Name == name).Value, out Places? places,
            out string? problem);
        Assert.True(found, problem);
        return places!;
    }
}
