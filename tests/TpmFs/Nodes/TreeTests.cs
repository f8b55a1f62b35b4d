using System.Text;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Domains;
using TpmFs.Fuse;
using TpmFs.Nodes;
using TpmFs.Openers;
using TpmFs.Rm;

namespace TpmFs.Daemon.Tests.Nodes;

public sealed class TreeTests : IDisposable
{
    private static readonly FuseCaller Alice = new(1000, 1000, 4711);

    private readonly NodeTable table = new(TimeProvider.System);
    private readonly UnreadAnswers unread = new(TimeProvider.System);
    private readonly PollNotifier notifier = new();
    private readonly Domain domain = new("root", new SpaceLimits(), openersMax: 2);
    private readonly List<SpaceOwner> owners = [];
    private readonly List<FakeSpace> spaces = [];
    private readonly DirectoryNode root;
    private readonly TpmNode rm0;
    private readonly TreeFileSystem tree;

    public TreeTests()
    {
        root = new DirectoryNode(table, new Access(0x1ED, 0, 0));
        rm0 = new TpmNode(table, new Access(0x1B0, 0, 109), new TpmPort(4096, OpenSpace), domain, 0, new OpenerContext(TimeProvider.System, unread, notifier, Serilog.Core.Logger.None));
        root.TryAdd("rm0", rm0);
        tree = new TreeFileSystem(table, notifier);
    }

    public void Dispose() => unread.Dispose();

    [Fact]
    public void The_root_has_the_number_that_the_kernel_expects()
    {
        Assert.Equal(Errno.None, tree.GetAttributes(Alice, NodeId.Root, null, out var attributes));
        Assert.Equal((NodeId.Root, 0x41EDu, 2u), (attributes.Node, attributes.Mode, attributes.LinkCount));
    }

    [Fact]
    public void A_name_is_found_and_shows_its_owner_and_mode()
    {
        Assert.Equal(Errno.None, tree.Lookup(Alice, NodeId.Root, "rm0"u8, out var attributes));
        Assert.Equal((rm0.Id, 0x81B0u, 0u, 109u, 0ul), (attributes.Node, attributes.Mode, attributes.Uid, attributes.Gid, attributes.Size));
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
        Assert.NotEqual(rm0.Id, new DirectoryNode(table, default, root).Id);
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
        root.TryAdd("a", new DirectoryNode(table, default, root));
        root.TryAdd("b", new DirectoryNode(table, default, root));
        var part = List(0, room: 4);
        root.TryRemove("rm0", out _);
        root.TryRemove("a", out _);
        root.TryAdd("c", new DirectoryNode(table, default, root));

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
    public void Truncation_and_times_are_taken_and_ignored_and_owner_and_mode_are_EPERM()
    {
        var none = default(FuseAttributeChange);
        Assert.Equal(Errno.None, tree.SetAttributes(Alice, rm0.Id, none with { Size = 0 }, out var attributes));
        Assert.Equal(0ul, attributes.Size);
        Assert.Equal(Errno.None, tree.SetAttributes(Alice, rm0.Id, none with { Size = 100, ModifyTime = DateTimeOffset.UnixEpoch }, out attributes));
        Assert.Equal(0ul, attributes.Size);
        Assert.Equal(Errno.EPERM, tree.SetAttributes(Alice, rm0.Id, none with { Mode = 0x1FF }, out _));
        Assert.Equal(Errno.EPERM, tree.SetAttributes(Alice, rm0.Id, none with { Uid = 1 }, out _));
        Assert.Equal(Errno.EPERM, tree.SetAttributes(Alice, rm0.Id, none with { Gid = 1, Size = 0 }, out _));
        Assert.Equal(Errno.EPERM, tree.SetAttributes(Alice, NodeId.Root, none with { Mode = 0x1FF }, out _));
        Assert.Equal(Errno.ENOENT, tree.SetAttributes(Alice, new NodeId(99), none, out _));
    }

    [Fact]
    public void Each_open_has_a_space_of_its_own_that_is_the_callers()
    {
        Assert.Equal(Errno.None, tree.Open(Alice, rm0.Id, 2, out var first));
        Assert.Equal(Errno.None, tree.Open(new FuseCaller(1001, 1001, 1), rm0.Id, 2, out var second));

        Assert.NotEqual(first.Open, second.Open);
        Assert.Equal([1000u, 1001u], owners.Select(owner => owner.Uid));
        Assert.Same(domain.GroupOf(1000), owners[0].Group);
        Assert.NotSame(owners[0].Group, owners[1].Group);
        Assert.Same(owners[0].Group.Limits, owners[1].Group.Limits);
    }

    [Fact]
    public void One_opener_too_many_is_ENFILE_until_one_is_released()
    {
        tree.Open(Alice, rm0.Id, 2, out var first);
        tree.Open(Alice, rm0.Id, 2, out _);
        Assert.Equal(Errno.ENFILE, tree.Open(Alice, rm0.Id, 2, out _));

        tree.Release(rm0.Id, first.Open);

        Assert.Equal(Errno.None, tree.Open(Alice, rm0.Id, 2, out _));
        Assert.Equal(2, domain.Openers);
    }

    [Fact]
    public void Requests_go_to_the_open_file_that_they_name()
    {
        tree.Open(Alice, rm0.Id, 2, out var first);
        tree.Open(Alice, rm0.Id, 2, out var second);
        byte[] command = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x7B];

        Assert.Equal(Errno.None, tree.Write(Alice, rm0.Id, second.Open, default, command, out var written));
        Assert.Equal(10, written);
        spaces[1].Answer(1);

        Assert.Empty(Read(first.Open).Data);
        tree.Poll(Alice, rm0.Id, second.Open, null, PollEvents.In, out var ready);
        Assert.Equal(PollEvents.In | PollEvents.ReadNormal, ready);
        Assert.Equal([1], Read(second.Open).Data);
    }

    [Fact]
    public void A_released_or_unknown_open_file_is_EBADF()
    {
        tree.Open(Alice, rm0.Id, 2, out var opened);
        tree.Release(rm0.Id, opened.Open);
        tree.Release(rm0.Id, opened.Open);

        Assert.Equal(1, spaces[0].Closed);
        Assert.Equal(Errno.EBADF, Read(opened.Open).Error);
        Assert.Equal(Errno.EBADF, tree.Write(Alice, rm0.Id, opened.Open, default, [], out _));
        tree.Poll(Alice, rm0.Id, opened.Open, null, PollEvents.In, out var ready);
        Assert.Equal(PollEvents.Err, ready);
    }

    [Fact]
    public void A_filesystem_that_has_stopped_releases_what_is_open_and_opens_nothing()
    {
        tree.Open(Alice, rm0.Id, 2, out _);

        tree.Stopped();

        Assert.Equal((1, 0, 0), (spaces[0].Closed, tree.OpenFiles, domain.Openers));
        Assert.Equal(Errno.ENODEV, tree.Open(Alice, rm0.Id, 2, out _));
    }

    [Fact]
    public void What_a_kind_of_node_does_not_offer_is_the_errno_that_people_understand()
    {
        Assert.Equal(Errno.EPERM, tree.MakeDirectory(Alice, NodeId.Root, "x"u8, 0, out _));
        Assert.Equal(Errno.EPERM, tree.RemoveDirectory(Alice, NodeId.Root, "rm0"u8));
        Assert.Equal(Errno.EOPNOTSUPP, tree.SetXattr(Alice, rm0.Id, "user.x"u8, [], 0));
        Assert.Equal(Errno.EACCES, tree.Open(Alice, NodeId.Root, 0, out _));
        Assert.Equal(Errno.None, tree.OpenDirectory(Alice, NodeId.Root, 0, out _));
        Assert.Equal(Errno.ENOTDIR, tree.OpenDirectory(Alice, rm0.Id, 0, out _));
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

    private FakeSpace OpenSpace(SpaceOwner owner, ISpaceClient client)
    {
        owners.Add(owner);
        spaces.Add(new FakeSpace(client));
        return spaces[^1];
    }

    private FakeReply Read(OpenId open)
    {
        var reply = new FakeReply();
        tree.Read(Alice, rm0.Id, open, new FuseReadArguments(0, 4096, 0), reply.Token);
        return reply;
    }

    private FakeDirectoryReply List(ulong offset, int room = int.MaxValue, bool plus = false)
    {
        var entries = new FakeDirectoryReply(room, plus);
        Assert.Equal(Errno.None, tree.ReadDirectory(Alice, NodeId.Root, default, offset, entries));
        return entries;
    }
}
