using System.Text.RegularExpressions;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Installed;

/// <summary>tpmfs-tree(7) against a tree that is mounted: every file of it, and no other.</summary>
public sealed partial class TreeManualTests(Mount mount) : IClassFixture<Mount>
{
    [Fact]
    public void Tpmfs_tree_7_has_every_file_and_no_other()
    {
        string page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "../../../../../docs/man/tpmfs-tree.7"));
        string[] documented = [.. Item().Matches(page).SelectMany(match => match.Groups[1].Value.Split(" , Pa "))
            .Select(name => name.Split('/')[0])];
        string[] mounted = mount.Sandbox.Shell(
            $"mkdir {mount.Daemon.MountPoint}/users/0; ls {mount.Daemon.MountPoint}; "
            + $"rmdir {mount.Daemon.MountPoint}/users/0")
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(mounted.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
    }

    [GeneratedRegex("^\\.It Pa (.*)$", RegexOptions.Multiline)]
    private static partial Regex Item();
}
