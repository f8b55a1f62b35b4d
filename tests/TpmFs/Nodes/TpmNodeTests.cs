using TpmFs.Fuse;
using static TpmFs.Daemon.Tests.Nodes.TreeFixture;

namespace TpmFs.Daemon.Tests.Nodes;

/// <summary>Nodes that are TPMs: who opens what, as whom, how often.</summary>
public sealed class TpmNodeTests : IDisposable
{
    private static readonly byte[] Command = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x7B];
    private readonly TreeFixture tree = new();

    public void Dispose() => tree.Dispose();

    [Fact]
    public void Each_open_has_a_space_of_its_own_that_is_the_callers()
    {
        Assert.NotEqual(tree.Open("rm0", Alice), tree.Open("rm0", Bob));
        tree.Open("rm0", Alice);

        Assert.Equal([1000u, 1001u, 1000u], tree.Owners.Select(owner => owner.Uid));
        Assert.Equal(tree.Owners[0], tree.Owners[2]);
        Assert.NotSame(tree.Owners[0].Group, tree.Owners[1].Group);
        Assert.Equal(3, tree.Spaces.Count);
    }

    [Fact]
    public void A_domain_is_one_group_for_all_its_users_and_saved_sessions_are_shared_by_user_and_locality()
    {
        tree.Make("domains", "web");
        tree.Open("domains/web/rm0", Alice);
        tree.Open("domains/web/rm0", Bob);
        tree.Open("domains/web/locality/3/rm0", Bob);

        Assert.Same(tree.Owners[0].Group, tree.Owners[1].Group);
        Assert.NotEqual(tree.Owners[0], tree.Owners[1]);
        Assert.Equal(3, tree.Owners[2].Locality);
        Assert.NotEqual(tree.Owners[1], tree.Owners[2]);
    }

    [Fact]
    public void One_opener_too_many_is_ENFILE_until_one_is_released()
    {
        tree.Write("openers.max", "2");
        var first = tree.Open("rm0");
        tree.Open("locality/1/rm0", Alice);
        Assert.Equal(Errno.ENFILE, tree.TryOpen("rm0", out _));

        tree.Kernel.Release(default, first);

        tree.Open("rm0");
        Assert.Equal(Errno.ENFILE, tree.TryOpen("rm0", out _));
    }

    [Fact]
    public void All_raw_nodes_together_have_one_opener_and_managed_ones_go_on_beside_it()
    {
        var raw = tree.Open("raw0");
        Assert.Equal(Errno.EBUSY, tree.TryOpen("raw0", out _));
        Assert.Equal(Errno.EBUSY, tree.TryOpen("locality/4/raw0", out _));
        tree.Open("rm0");

        tree.Kernel.Release(default, raw);

        tree.Open("locality/4/raw0");
        Assert.Equal("openers 2\n", tree.Read("stat")[..10]);
    }

    [Fact]
    public void Requests_go_to_the_open_file_that_they_name()
    {
        var (first, second) = (tree.Open("rm0"), tree.Open("rm0"));

        Assert.Equal(Errno.None, tree.Kernel.Write(Alice, default, second, default, Command, out var written));
        Assert.Equal(10, written);
        tree.Spaces[1].Answer(1);

        Assert.Empty(tree.ReadFrom(first).Data);
        tree.Kernel.Poll(Alice, default, second, null, PollEvents.In, out var ready);
        Assert.Equal(PollEvents.In | PollEvents.ReadNormal, ready);
        Assert.Equal([1], tree.ReadFrom(second).Data);
    }

    [Fact]
    public void A_released_or_unknown_open_file_is_EBADF()
    {
        var opened = tree.Open("rm0");
        tree.Kernel.Release(default, opened);
        tree.Kernel.Release(default, opened);

        Assert.Equal(1, tree.Spaces[0].Closed);
        Assert.Equal(Errno.EBADF, tree.ReadFrom(opened).Error);
        Assert.Equal(Errno.EBADF, tree.Kernel.Write(Alice, default, opened, default, [], out _));
        tree.Kernel.Poll(Alice, default, opened, null, PollEvents.In, out var ready);
        Assert.Equal(PollEvents.Err, ready);
    }

    [Fact]
    public void A_filesystem_that_has_stopped_releases_what_is_open_and_opens_nothing()
    {
        tree.Open("rm0");

        tree.Kernel.Stopped();

        Assert.Equal((1, 0), (tree.Spaces[0].Closed, tree.Kernel.OpenFiles));
        Assert.Equal(Errno.ENODEV, tree.TryOpen("rm0", out _));
    }

    [Fact]
    public void Truncation_and_times_are_taken_and_change_nothing()
    {
        Assert.Equal(Errno.None, tree.Change("rm0", size: 100));
        Assert.Equal(0ul, tree.Find("rm0").Size);
        var touched = default(FuseAttributeChange) with { Size = 0, ModifyTime = DateTimeOffset.UnixEpoch };
        Assert.Equal(Errno.None, tree.Kernel.SetAttributes(Alice, tree.Find("rm0").Node, touched, out var attributes));
        Assert.NotEqual(DateTimeOffset.UnixEpoch, attributes.ModifyTime);
    }

    [Fact]
    public void What_a_kind_of_node_does_not_offer_is_the_errno_that_people_understand()
    {
        Assert.Equal(Errno.EPERM, tree.Make("", "x"));
        Assert.Equal(Errno.EPERM, tree.Make("locality", "7"));
        Assert.Equal(Errno.EPERM, tree.Remove("", "rm0"));
        Assert.Equal(Errno.EPERM, tree.Remove("", "domains"));
        Assert.Equal(Errno.EOPNOTSUPP, tree.Kernel.SetXattr(Alice, tree.Find("rm0").Node, "user.x"u8, [], 0));
        Assert.Equal(Errno.EACCES, tree.Kernel.Open(Alice, NodeId.Root, 0, out _));
        Assert.Equal(Errno.None, tree.Kernel.OpenDirectory(Alice, NodeId.Root, 0, out _));
        Assert.Equal(Errno.ENOTDIR, tree.Kernel.OpenDirectory(Alice, tree.Find("rm0").Node, 0, out _));
    }
}
