using System.Text;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Fuse;
using TpmFs.Nodes;
using TpmFs.Openers;

namespace TpmFs.Daemon.Tests.Nodes;

/// <summary>Nodes and their numbers, whatever kind they are.</summary>
public sealed class TreeTests
{
    private static readonly FuseCaller Alice = new(1000, 1000, TreeFixture.NoProcess);

    private readonly NodeTable table = new(TimeProvider.System);
    private readonly PollNotifier notifier = new();
    private readonly DirectoryNode root;
    private readonly Node rm0;
    private readonly TreeFileSystem tree;

    public TreeTests()
    {
        root = new DirectoryNode(table, NodeAccess.Fixed(0x1ED, 0, 0));
        rm0 = new LinkNode(table, default, "x");
        root.TryAdd("rm0", rm0);
        tree = new TreeFileSystem(table, notifier, Serilog.Core.Logger.None);
    }

    [Fact]
    public void The_root_has_the_number_that_the_kernel_expects()
    {
        Assert.Equal(Errno.None, tree.GetAttributes(Alice, NodeId.Root, null, out var attributes));
        Assert.Equal((NodeId.Root, 0x41EDu, 2u), (attributes.Node, attributes.Mode, attributes.LinkCount));
    }

    [Theory]
    [InlineData("rm1")]
    [InlineData("")]
    [InlineData("rm0\0")]
    [InlineData("rm\u00ff")]
    public void Another_name_is_ENOENT(string name) =>
        Assert.Equal(Errno.ENOENT, tree.Lookup(Alice, NodeId.Root, Encoding.Latin1.GetBytes(name), out _));

    [Fact]
    public void Below_a_file_and_below_nothing_there_is_nothing()
    {
        Assert.Equal(Errno.ENOTDIR, tree.Lookup(Alice, rm0.Id, "x"u8, out _));
        Assert.Equal(Errno.ENOENT, tree.Lookup(Alice, new NodeId(99), "x"u8, out _));
        Assert.Equal(Errno.ENOENT, tree.GetAttributes(Alice, new NodeId(99), null, out _));
    }

    [Fact]
    public void A_removed_node_is_known_until_the_kernel_has_forgotten_it_and_its_number_is_not_used_again()
    {
        tree.Lookup(Alice, NodeId.Root, "rm0"u8, out _);
        tree.Lookup(Alice, NodeId.Root, "rm0"u8, out _);

        Assert.True(root.TryRemove("rm0", out _));

        Assert.Equal(Errno.ENOENT, tree.Lookup(Alice, NodeId.Root, "rm0"u8, out _));
        tree.Forget(rm0.Id, 1);
        Assert.Equal(Errno.None, tree.GetAttributes(Alice, rm0.Id, null, out _));
        tree.Forget(rm0.Id, 1);
        Assert.Equal(Errno.ENOENT, tree.GetAttributes(Alice, rm0.Id, null, out _));
        Assert.NotEqual(rm0.Id, new DirectoryNode(table, NodeAccess.Fixed(0, 0, 0), root).Id);
    }

    [Fact]
    public void A_node_in_the_tree_outlives_any_number_of_forgets()
    {
        tree.Forget(rm0.Id, ulong.MaxValue);
        tree.Forget(new NodeId(99), 1);
        Assert.Equal(Errno.None, tree.Lookup(Alice, NodeId.Root, "rm0"u8, out _));
    }

    [Fact]
    public void A_listing_names_the_directory_its_parent_and_the_entries_and_goes_on_where_it_ended()
    {
        var all = List(0);
        Assert.Equal([".", "..", "rm0"], all.Entries.Select(entry => entry.Name));
        for (var room = 1; room <= 3; room++)
        {
            var part = List(0, room);
            var rest = List(part.Entries[^1].Next);
            Assert.Equal(all.Entries, part.Entries.Concat(rest.Entries));
        }
    }

    [Fact]
    public void A_listing_that_goes_on_after_a_change_misses_and_repeats_nothing()
    {
        root.TryAdd("a", new DirectoryNode(table, NodeAccess.Fixed(0, 0, 0), root));
        root.TryAdd("b", new DirectoryNode(table, NodeAccess.Fixed(0, 0, 0), root));
        var part = List(0, room: 4);
        root.TryRemove("rm0", out _);
        root.TryRemove("a", out _);
        root.TryAdd("c", new DirectoryNode(table, NodeAccess.Fixed(0, 0, 0), root));

        Assert.Equal([".", "..", "rm0", "a"], part.Entries.Select(entry => entry.Name));
        Assert.Equal(["b", "c"], List(part.Entries[^1].Next).Entries.Select(entry => entry.Name));
        Assert.Equal(4u, root.Attributes.LinkCount);
    }

    [Fact]
    public void A_listing_with_attributes_counts_one_lookup_for_each_entry_that_was_taken()
    {
        List(0, room: 2, plus: true);
        Assert.Equal(0ul, rm0.Lookups);
        List(0, room: 3, plus: true);
        Assert.Equal(1ul, rm0.Lookups);
        Assert.Equal(0ul, root.Lookups);
    }

    [Fact]
    public void What_is_below_a_removed_directory_is_forgotten_with_it_and_nothing_is_added_to_it()
    {
        var directory = new DirectoryNode(table, NodeAccess.Fixed(0x1ED, 0, 0), root);
        var below = new LinkNode(table, default, "x");
        root.TryAdd("d", directory);
        directory.TryAdd("l", below);
        var known = table.Count;

        root.TryRemove("d", out _);

        Assert.Equal(known - 2, table.Count);
        Assert.False(directory.TryAdd("new", new LinkNode(table, default, "x")));
        Assert.Equal(Errno.ENODEV, directory.Find(Alice, "l"u8, out _));
    }

    [Fact]
    public void A_notification_goes_to_the_session_that_started()
    {
        var session = new FakeNotifier();
        notifier.NotifyPoll(new PollId(1));
        tree.Started(session);
        notifier.NotifyPoll(new PollId(2));
        Assert.Equal([new PollId(2)], session.Polls);
    }

    private FakeDirectoryReply List(ulong offset, int room = int.MaxValue, bool plus = false)
    {
        var entries = new FakeDirectoryReply(room, plus);
        Assert.Equal(Errno.None, tree.ReadDirectory(Alice, NodeId.Root, default, offset, entries));
        return entries;
    }
}
