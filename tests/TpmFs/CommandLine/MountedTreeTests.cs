using TpmFs.CommandLine;
using TpmFs.Os;

namespace TpmFs.Daemon.Tests.CommandLine;

public sealed class MountedTreeTests
{
    private const uint Stranger = 54_321;

    /// <summary>
    /// Regression: a user who may write in a collection mounted a filesystem over it, and root's commands showed what
    /// that filesystem said.
    /// </summary>
    [Theory]
    [InlineData("/run/tpmfs/domains", Stranger, true)]
    [InlineData("/run/tpmfs/users/1000", Stranger, true)]
    [InlineData("/run/tpmfs/domains", 0u, false)]
    [InlineData("/run/tpmfs/domains", null, false)]
    [InlineData("/run/tpmfs/rm0", Stranger, false)]
    [InlineData("/run/tpmfs/domains/web/rm0", Stranger, false)]
    [InlineData("/run/tpmfs2/domains", Stranger, false)]
    public void A_mount_of_another_user_over_a_directory_of_the_tree_is_found(string place, uint? user, bool isFound)
    {
        var mount = new MountInfo(1, 2, "0:40", place, "fuse", "/dev/fuse") { User = user };
        Assert.Equal(isFound ? mount : null, MountedTree.FindForeign([mount], "/run/tpmfs"));
    }
}
