using TpmFs.Fuse;
using static TpmFs.Daemon.Tests.Tree.TreeFixture;

namespace TpmFs.Daemon.Tests.Tree;

/// <summary>
/// Tests that a container whose programs have many uids leaves others what it leaves them with one. Each uid used to
/// count as a user, so that sixteen of them held all there is.
/// </summary>
public sealed class ManyUidsTests : IDisposable
{
    private const uint ReadOnly = 0, ReadAndWrite = 2;
    private readonly TreeFixture _tree = new();

    public ManyUidsTests() => _tree.Make("domains", "web");

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void Files_that_are_open_for_reading_alone()
    {
        Assert.Equal(2048, OpenAll("domains/web/rm0", ReadOnly));
        Assert.Equal(1024, OpenAll("rm0", ReadOnly, Bob));
    }

    [Fact]
    public void Open_control_files()
    {
        Assert.Equal(2048, OpenAll("domains/web/stat", ReadOnly));
        Assert.Equal(1024, OpenAll("stat", ReadOnly, Bob));
    }

    [Fact]
    public void Openers_of_all_domains_together()
    {
        _tree.Write("domains/web/openers.max", "max");
        _tree.Write("openers.max", "max");
        Assert.Equal(32_768, OpenAll("domains/web/rm0", ReadAndWrite));
        Assert.Equal(16_384, OpenAll("rm0", ReadAndWrite, Bob));
    }

    [Fact]
    public void Node_numbers()
    {
        HashSet<NodeId> numbers = [];
        for (uint uid = 100_000; uid < 100_200; uid++)
        {
            numbers.UnionWith(LookUpAll("domains/web/rm0", new FuseCaller(uid, uid, NoProcess)));
        }

        Assert.InRange(numbers.Count, 32_000, 32_768 + 200); // each uid may share one beyond that
        Assert.Equal(400, LookUpAll("rm0", Bob).Distinct().Count());

        NodeId[] LookUpAll(string path, FuseCaller caller) =>
            [.. Enumerable.Range(0, 400).Select(_ => _tree.NumberOf(path, caller))];
    }

    /// <summary>Opens a file until nobody gets one more.</summary>
    /// <param name="path">The file.</param>
    /// <param name="flags">The flags of open(2).</param>
    /// <param name="only">The only user who opens it; null for many of them.</param>
    private int OpenAll(string path, uint flags, FuseCaller? only = null)
    {
        NodeId node = _tree.NumberOf(path);
        int opened = 0;
        for (uint uid = 100_000; uid < 100_040; uid++)
        {
            while (!_tree.Kernel.Open(only ?? new FuseCaller(uid, uid, NoProcess), node, flags, out _).IsError)
            {
                opened++;
            }
        }

        return opened;
    }
}
