namespace TpmFs.Os.Tests;

public sealed class MountInfoTests
{
    private const string Text =
        "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        + "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
        + "60 27 0:40 / /run/a\\040b\\012c\\134d rw,nosuid,nodev,noexec,relatime shared:2 master:3 - fuse.toyfs toyfs "
        + "rw,user_id=0\n"
        + "61 60 0:41 / /run/a\\040b\\012c\\134d rw - fuse.toyfs toy\\043fs rw\n"
        + "70 99 0:42 / /run/a\\040b\\012c\\134d rw - tmpfs hidden rw,group_id=5,user_id=1000,x\n";

    private const string MountPoint = "/run/a b\nc\\d";

    /// <summary>Mounts as a server of user 1000 would, and goes away at once.</summary>
    private const string Server = """
        import ctypes, os, sys
        fd = os.open('/dev/fuse', os.O_RDWR)
        libc = ctypes.CDLL(None, use_errno=True)
        options = b'fd=%d,rootmode=40000,user_id=1000,group_id=1000,allow_other' % fd
        if libc.mount(b'toyfs', sys.argv[1].encode(), b'fuse.toyfs', 0, options):
            sys.exit(os.strerror(ctypes.get_errno()))
        """;

    [Fact]
    public void Escaped_paths_and_optional_fields_are_read()
    {
        IReadOnlyList<MountInfo> mounts = MountInfo.Parse(Text);

        Assert.Equal(5, mounts.Count);
        Assert.Equal(new MountInfo(60, 27, "0:40", MountPoint, "fuse.toyfs", "toyfs") { User = 0 }, mounts[2]);
        Assert.Equal("toy#fs", mounts[3].Source);
        Assert.Null(mounts[3].User);
        Assert.Equal(1000u, mounts[4].User);
    }

    [Fact]
    public void Layers_are_those_on_the_path_that_can_be_seen_lowest_first()
    {
        IReadOnlyList<MountInfo> layers = MountInfo.Layers(MountInfo.Parse(Text), parentId: 27, MountPoint);

        Assert.Equal([60, 61], layers.Select(layer => layer.Id));
    }

    [Fact]
    public void What_a_user_mounts_and_unmounts_is_noticed_at_once()
    {
        string folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
        string below = Path.Combine(folder, "below");
        for (int round = 0; round < 2; round++)
        {
            Assert.Equal("", SafePath.WhyNotToMountOn(below));
            Tool.Run("python3", "-c", Server, folder);
            try
            {
                Assert.Contains(
                    "belongs to user 1000", SafePath.WhyNotToMountOn(below), StringComparison.Ordinal);
            }
            finally
            {
                Tool.Run("umount", folder);
            }
        }

        Directory.Delete(folder);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n\n")]
    [InlineData("x 1 0:1 / /a rw - t s o")]
    [InlineData("1 x 0:1 / /a rw - t s o")]
    [InlineData("1 1 0:1 / /a rw t s o")]
    [InlineData("1 1 0:1 / /a rw -")]
    [InlineData("1 1 0:1 / /a rw - t")]
    [InlineData("1 1")]
    public void A_line_that_is_none_is_left_out(string line) => Assert.Empty(MountInfo.Parse(line));

    [Theory]
    [InlineData("/a\\", "/a\\")]
    [InlineData("/a\\04", "/a\\04")]
    [InlineData("/a\\049", "/a\\049")]
    [InlineData("/a\\777", "/a\\777")]
    public void A_backslash_that_begins_no_escape_stays(string written, string read) =>
        Assert.Equal(read, Assert.Single(MountInfo.Parse($"1 2 0:1 / {written} rw - t s o")).MountPoint);

    [Fact]
    public void A_mount_on_itself_makes_no_endless_list()
    {
        IReadOnlyList<MountInfo> mounts =
            MountInfo.Parse("1 2 0:1 / /a rw - t s o\n2 1 0:2 / /a rw - t s o\n3 3 0:3 / /a rw - t s o\n");

        Assert.Equal(3, MountInfo.Layers(mounts, 2, "/a").Count);
        Assert.Empty(MountInfo.Layers(mounts, 3, "/a"));
    }
}
