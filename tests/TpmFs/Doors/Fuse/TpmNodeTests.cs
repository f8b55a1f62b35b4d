using TpmFs.Daemon.Tests.Tree;
using TpmFs.Fuse;
using static TpmFs.Daemon.Tests.Tree.TreeFixture;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

/// <summary>Nodes that are TPMs: who opens what, as whom, how often.</summary>
public sealed class TpmNodeTests : IDisposable
{
    private static readonly byte[] s_command = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x7B];
    private readonly TreeFixture _tree = new();

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void Each_open_has_a_space_of_its_own_that_is_the_callers()
    {
        Assert.NotEqual(_tree.Open("rm0", Alice), _tree.Open("rm0", Bob));
        _tree.Open("rm0", Alice);

        Assert.Equal([1000u, 1001u, 1000u], _tree.Owners.Select(owner => owner.Uid));
        Assert.Equal(_tree.Owners[0], _tree.Owners[2]);
        Assert.NotSame(_tree.Owners[0].Group, _tree.Owners[1].Group);
        Assert.Equal(3, _tree.Spaces.Count);
    }

    [Fact]
    public void A_domain_is_one_group_for_all_its_users_and_saved_sessions_are_shared_by_user_and_locality()
    {
        _tree.Make("domains", "web");
        _tree.Open("domains/web/rm0", Alice);
        _tree.Open("domains/web/rm0", Bob);
        _tree.Open("domains/web/locality/3/rm0", Bob);

        Assert.Same(_tree.Owners[0].Group, _tree.Owners[1].Group);
        Assert.NotEqual(_tree.Owners[0], _tree.Owners[1]);
        Assert.Equal(3, _tree.Owners[2].Locality);
        Assert.NotEqual(_tree.Owners[1], _tree.Owners[2]);
    }

    /// <summary>
    /// Regression: each domain had a share of the TPM's time and sessions, so that who made many had nearly all of it.
    /// </summary>
    [Fact]
    public void The_domains_of_one_owner_share_with_what_the_owner_has_of_the_root_s_and_those_of_root_do_not()
    {
        Array.ForEach((string[])["web", "db", "roots"], name => _tree.Make("domains", name));
        _tree.Change("domains/web", uid: Alice.Uid);
        _tree.Change("domains/db", uid: Alice.Uid);
        _tree.Open("domains/web/rm0", Bob);
        _tree.Open("domains/db/rm0", Alice);
        _tree.Open("rm0", Alice);
        _tree.Open("rm0", Root);
        _tree.Open("domains/roots/rm0", Alice);

        Assert.Equal([Alice.Uid, Alice.Uid, Alice.Uid, 0u, 0u], _tree.Owners.Select(owner => owner.Group.Owner));
    }

    [Fact]
    public void One_opener_too_many_is_ENFILE_until_one_is_released()
    {
        _tree.Write("openers.max", "2");
        OpenId first = _tree.Open("rm0");
        _tree.Open("locality/1/rm0", Alice);
        Assert.Equal(Errno.ENFILE, _tree.TryOpen("rm0", out _, Bob));

        _tree.Kernel.Release(default, first);

        _tree.Open("rm0", Bob);
        Assert.Equal(Errno.ENFILE, _tree.TryOpen("rm0", out _, Bob));
    }

    [Fact]
    public void All_raw_nodes_together_have_one_opener_and_managed_ones_go_on_beside_it()
    {
        OpenId raw = _tree.Open("raw0");
        Assert.Equal(Errno.EBUSY, _tree.TryOpen("raw0", out _));
        Assert.Equal(Errno.EBUSY, _tree.TryOpen("locality/4/raw0", out _));
        _tree.Open("rm0");

        _tree.Kernel.Release(default, raw);

        _tree.Open("locality/4/raw0");
        Assert.Equal("openers 2\n", _tree.Read("stat")[..10]);
    }

    /// <summary>
    /// Linux 6.17 and newer open a file for reading when anybody calls file_getattr(2) on it. That took raw0 from root,
    /// and places of the group's openers, for users who may not open the nodes.
    /// </summary>
    [Fact]
    public void A_file_that_is_open_for_reading_alone_has_nothing_of_the_tpm()
    {
        const uint readOnly = 0x8000; // O_RDONLY | O_LARGEFILE
        _tree.Write("openers.max", "1");
        Assert.Equal(Errno.None, _tree.Kernel.Open(Alice, _tree.NumberOf("raw0"), readOnly, out FuseOpened raw));
        Assert.Equal(Errno.None, _tree.Kernel.Open(Alice, _tree.NumberOf("rm0"), readOnly, out FuseOpened managed));

        Assert.Empty(_tree.Spaces);
        OpenId opened = _tree.Open("raw0");
        Assert.All([raw, managed], file => Assert.Empty(_tree.ReadFrom(file.Open).Data));
        _tree.Kernel.Poll(Alice, default, raw.Open, null, PollEvents.Out, out PollEvents ready);
        Assert.Equal(PollEvents.Out | PollEvents.WriteNormal, ready);
        _tree.Kernel.Release(default, opened);
        _tree.Kernel.Release(default, raw.Open);
        Assert.Single(_tree.Spaces);
    }

    [Fact]
    public void Each_user_has_a_share_of_the_files_that_are_open_for_reading_alone()
    {
        NodeId node = _tree.NumberOf("rm0");
        FuseOpened last = default;
        int held = 0;
        for (; !_tree.Kernel.Open(Alice, node, 0, out FuseOpened opened).IsError; held++)
        {
            last = opened;
        }

        Assert.Equal(2048, held);
        Assert.Equal(Errno.None, _tree.Kernel.Open(Bob, node, 0, out _));
        _tree.Kernel.Release(default, last.Open);
        Assert.Equal(Errno.None, _tree.Kernel.Open(Alice, node, 0, out _));
    }

    [Fact]
    public void Requests_go_to_the_open_file_that_they_name()
    {
        (OpenId first, OpenId second) = (_tree.Open("rm0"), _tree.Open("rm0"));

        Assert.Equal(Errno.None, _tree.Kernel.Write(Alice, default, second, default, s_command, out int written));
        Assert.Equal(10, written);
        _tree.Spaces[1].Answer(1);

        Assert.Empty(_tree.ReadFrom(first).Data);
        _tree.Kernel.Poll(Alice, default, second, null, PollEvents.In, out PollEvents ready);
        Assert.Equal(PollEvents.In | PollEvents.ReadNormal, ready);
        Assert.Equal([1], _tree.ReadFrom(second).Data);
    }

    [Fact]
    public void A_released_or_unknown_open_file_is_ENODEV()
    {
        OpenId opened = _tree.Open("rm0");
        _tree.Kernel.Release(default, opened);
        _tree.Kernel.Release(default, opened);

        Assert.Equal(1, _tree.Spaces[0].Closed);
        Assert.Equal(Errno.ENODEV, _tree.ReadFrom(opened).Error);
        Assert.Equal(Errno.ENODEV, _tree.Kernel.Write(Alice, default, opened, default, [], out _));
        _tree.Kernel.Poll(Alice, default, opened, null, PollEvents.In, out PollEvents ready);
        Assert.Equal(PollEvents.Err | PollEvents.Hup, ready);
    }

    [Fact]
    public void A_filesystem_that_has_stopped_releases_what_is_open_and_opens_nothing()
    {
        _tree.Open("rm0");

        _tree.Kernel.Stopped();

        Assert.Equal((1, 0), (_tree.Spaces[0].Closed, _tree.Kernel.OpenFiles));
        Assert.Equal(Errno.ENODEV, _tree.TryOpen("rm0", out _));
    }

    [Fact]
    public void Truncation_and_times_are_taken_and_change_nothing()
    {
        Assert.Equal(Errno.None, _tree.Change("rm0", size: 100));
        Assert.Equal(4096ul, _tree.Find("rm0").Size);
        FuseAttributeChange touched =
            default(FuseAttributeChange) with { Size = 0, ModifyTime = DateTimeOffset.UnixEpoch };
        Assert.Equal(
            Errno.None,
            _tree.Kernel.SetAttributes(Alice, _tree.NumberOf("rm0"), touched, out FuseAttributes attributes));
        Assert.NotEqual(DateTimeOffset.UnixEpoch, attributes.ModifyTime);
    }

    [Fact]
    public void An_operation_that_a_node_does_not_offer_gives_an_errno_that_people_understand()
    {
        Assert.Equal(Errno.EPERM, _tree.Make("", "x"));
        Assert.Equal(Errno.EPERM, _tree.Make("locality", "7"));
        Assert.Equal(Errno.EPERM, _tree.Remove("", "rm0"));
        Assert.Equal(Errno.EPERM, _tree.Remove("", "domains"));
        Assert.Equal(Errno.EOPNOTSUPP, _tree.Kernel.SetXattr(Alice, _tree.NumberOf("rm0"), "user.x"u8, [], 0));
        Assert.Equal(Errno.EACCES, _tree.Kernel.Open(Alice, NodeId.Root, 0, out _));
        Assert.Equal(Errno.EACCES, _tree.Kernel.OpenDirectory(Alice, NodeId.Root, 0, out _));
        Assert.Equal(Errno.None, _tree.Kernel.OpenDirectory(Root, NodeId.Root, 0, out _));
        Assert.Equal(Errno.ENOTDIR, _tree.Kernel.OpenDirectory(Root, _tree.NumberOf("rm0"), 0, out _));
    }
}
