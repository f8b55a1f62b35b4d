using System.Text;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Daemon.Tests.Tree;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

/// <summary>Nodes and their numbers, whatever kind they are.</summary>
public sealed class TreeFileSystemTests
{
    private static readonly FuseCaller s_alice = new(1000, 1000, TreeFixture.NoProcess);

    private readonly NodeTable _table = new(TimeProvider.System);
    private readonly PollNotifier _notifier = new();
    private readonly DirectoryNode _root;
    private readonly Node _rm0;
    private readonly TreeFileSystem _tree;

    public TreeFileSystemTests()
    {
        _root = new DirectoryNode(_table, NodeAccess.Fixed(0x1ED, 0, 0));
        _rm0 = new LinkNode(_table, default, "x");
        _root.TryAdd("rm0", _rm0);
        _tree = new TreeFileSystem(_table, _notifier, new Access(0, 0, 0), Serilog.Core.Logger.None);
    }

    [Fact]
    public void The_root_has_the_number_that_the_kernel_expects()
    {
        Assert.Equal(Errno.None, _tree.GetAttributes(s_alice, NodeId.Root, null, out FuseAttributes attributes));
        Assert.Equal((1ul, 0x41EDu, 2u), (attributes.Inode, attributes.Mode, attributes.LinkCount));
    }

    [Theory]
    [InlineData("rm1")]
    [InlineData("")]
    [InlineData("rm0\0")]
    [InlineData("rm\u00ff")]
    public void Another_name_is_ENOENT(string name) =>
        Assert.Equal(Errno.ENOENT, _tree.Lookup(s_alice, NodeId.Root, Encoding.Latin1.GetBytes(name), out _));

    [Fact]
    public void Below_a_file_and_below_nothing_there_is_nothing()
    {
        Assert.Equal(Errno.ENOTDIR, _tree.Lookup(s_alice, _rm0.Id, "x"u8, out _));
        Assert.Equal(Errno.ENOENT, _tree.Lookup(s_alice, new NodeId(99), "x"u8, out _));
        Assert.Equal(Errno.ENOENT, _tree.GetAttributes(s_alice, new NodeId(99), null, out _));
    }

    [Fact]
    public void A_removed_node_is_known_until_the_kernel_has_forgotten_it_and_its_number_is_not_used_again()
    {
        _tree.Lookup(s_alice, NodeId.Root, "rm0"u8, out _);
        _tree.Lookup(s_alice, NodeId.Root, "rm0"u8, out _);

        Assert.True(_root.TryRemove("rm0", out _));

        Assert.Equal(Errno.ENOENT, _tree.Lookup(s_alice, NodeId.Root, "rm0"u8, out _));
        _tree.Forget(_rm0.Id, 1);
        Assert.Equal(Errno.None, _tree.GetAttributes(s_alice, _rm0.Id, null, out _));
        _tree.Forget(_rm0.Id, 1);
        Assert.Equal(Errno.ENOENT, _tree.GetAttributes(s_alice, _rm0.Id, null, out _));
        Assert.NotEqual(_rm0.Id, new DirectoryNode(_table, NodeAccess.Fixed(0, 0, 0), _root).Id);
    }

    [Fact]
    public void A_node_in_the_tree_outlives_any_number_of_forgets()
    {
        _tree.Forget(_rm0.Id, ulong.MaxValue);
        _tree.Forget(new NodeId(99), 1);
        Assert.Equal(Errno.None, _tree.Lookup(s_alice, NodeId.Root, "rm0"u8, out _));
    }

    [Fact]
    public void A_listing_names_the_directory_its_parent_and_the_entries_and_goes_on_where_it_ended()
    {
        FakeDirectoryReply all = List(0);
        Assert.Equal([".", "..", "rm0"], all.Entries.Select(entry => entry.Name));
        for (int room = 1; room <= 3; room++)
        {
            FakeDirectoryReply part = List(0, room);
            FakeDirectoryReply rest = List(part.Entries[^1].Next);
            Assert.Equal(all.Entries, part.Entries.Concat(rest.Entries));
        }
    }

    [Fact]
    public void A_listing_that_goes_on_after_a_change_misses_and_repeats_nothing()
    {
        _root.TryAdd("a", new DirectoryNode(_table, NodeAccess.Fixed(0, 0, 0), _root));
        _root.TryAdd("b", new DirectoryNode(_table, NodeAccess.Fixed(0, 0, 0), _root));
        FakeDirectoryReply part = List(0, room: 4);
        _root.TryRemove("rm0", out _);
        _root.TryRemove("a", out _);
        _root.TryAdd("c", new DirectoryNode(_table, NodeAccess.Fixed(0, 0, 0), _root));

        Assert.Equal([".", "..", "rm0", "a"], part.Entries.Select(entry => entry.Name));
        Assert.Equal(["b", "c"], List(part.Entries[^1].Next).Entries.Select(entry => entry.Name));
        Assert.Equal(4u, _root.Attributes.LinkCount);
    }

    [Fact]
    public void Nodes_below_a_removed_directory_are_forgotten_with_it_and_none_are_added_to_it()
    {
        var directory = new DirectoryNode(_table, NodeAccess.Fixed(0x1ED, 0, 0), _root);
        var below = new LinkNode(_table, default, "x");
        _root.TryAdd("d", directory);
        directory.TryAdd("l", below);
        int known = _table.Count;

        _root.TryRemove("d", out _);

        Assert.Equal(known - 2, _table.Count);
        Assert.False(directory.TryAdd("new", new LinkNode(_table, default, "x")));
        Assert.Equal(Errno.ENODEV, directory.Find(s_alice, "l"u8, out _));
    }

    [Fact]
    public void A_notification_goes_to_the_session_that_started()
    {
        var session = new FakeNotifier();
        _notifier.NotifyPoll(new PollId(1));
        _tree.Started(session);
        _notifier.NotifyPoll(new PollId(2));
        Assert.Equal([new PollId(2)], session.Polls);
    }

    private FakeDirectoryReply List(ulong offset, int room = int.MaxValue)
    {
        var entries = new FakeDirectoryReply(room);
        Assert.Equal(Errno.None, _tree.ReadDirectory(s_alice, NodeId.Root, default, offset, entries));
        return entries;
    }
}
