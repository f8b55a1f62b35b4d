using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

/// <summary>
/// Tests which numbers the kernel gets for the nodes that it looks up, and for how long they are kept.
/// </summary>
public sealed class NodeTableTests
{
    private const uint Root = 0, Alice = 1000, Bob = 1001;

    private readonly Clock _clock = new() { Step = TimeSpan.FromMilliseconds(10) };
    private readonly NodeTable _table;
    private readonly DirectoryNode _root;
    private readonly Node _file;

    public NodeTableTests()
    {
        _table = new NodeTable(_clock);
        _root = new DirectoryNode(_table, NodeAccess.Fixed(0x1ED, 0, 0));
        _file = new FileNode(_table);
        _root.TryAdd("file", _file);
    }

    [Fact]
    public void Each_lookup_of_a_file_gets_a_number_of_its_own_that_shows_the_same_inode()
    {
        NodeId[] numbers = [LookUp(Alice), LookUp(Alice), LookUp(Bob)];

        Assert.Equal(3, numbers.Distinct().Count());
        Assert.DoesNotContain(_file.Id, numbers);
        Assert.All(numbers, number => Assert.Same(_file, Get(number)));
    }

    [Fact]
    public void A_directory_and_a_link_keep_their_number()
    {
        var link = new LinkNode(_table, default, "x");
        _root.TryAdd("link", link);

        foreach (Node node in (Node[])[_root, link])
        {
            Assert.True(_table.TryLookup(node, Alice, default, out NodeId first));
            Assert.True(_table.TryLookup(node, Bob, default, out NodeId second));
            Assert.Equal((node.Id, node.Id), (first, second));
        }
    }

    [Fact]
    public void A_number_that_the_kernel_forgets_is_gone_and_its_room_can_be_used_again()
    {
        int before = _table.Inodes;
        for (int i = 0; i < 2 * FileNumbers.Max; i++)
        {
            NodeId number = LookUp(Alice);
            _table.Forget(number, 1);
            Assert.False(_table.TryGet(number, out _));
        }

        Assert.Equal(before, _table.Inodes);
        Assert.NotEqual(LookUp(Alice), LookUp(Alice));
    }

    [Fact]
    public void A_user_beyond_the_share_shares_one_number_with_nobody_else_and_leaves_room_for_others()
    {
        NodeId[] looked = LookUpAll(Alice, FileNumbers.Max);
        NodeId shared = looked[^1];
        NodeId[] own = [.. looked.Distinct().Where(number => number != shared)];
        int full = _table.Inodes;

        Assert.Equal(FileNumbers.Max / 2, own.Length);
        Assert.Equal(shared, Assert.Single(LookUpAll(Alice, 10).Distinct()));
        Assert.Equal(full, _table.Inodes);
        Assert.Equal(1000, LookUpAll(Bob, 1000).Except(looked).Count());
        Assert.Equal(1000, LookUpAll(Root, 1000).Except(looked).Count());

        _table.Forget(shared, (ulong)(looked.Length - own.Length + 9));
        Assert.Same(_file, Get(shared));
        _table.Forget(shared, 1);
        Assert.False(_table.TryGet(shared, out _));
        LookUpAll(Bob, 1);
        Array.ForEach(own[..3000], number => _table.Forget(number, 1));
        Assert.NotEqual(LookUp(Alice), LookUp(Alice));
    }

    [Fact]
    public void All_users_together_stay_below_a_bound_with_one_number_for_each_user_and_file_beyond_it()
    {
        for (uint uid = 1; uid <= 100; uid++)
        {
            LookUpAll(10_000 + uid, FileNumbers.Max / 10);
        }

        Assert.InRange(_table.Inodes, FileNumbers.Max / 2, FileNumbers.Max + 102);
        Assert.Equal(1000, LookUpAll(Root, 1000).Distinct().Count());
    }

    [Fact]
    public void A_removed_file_is_known_by_each_number_that_the_kernel_holds_and_cannot_be_looked_up()
    {
        NodeId first = LookUp(Alice), second = LookUp(Bob);
        int nodes = _table.Count;

        Assert.True(_root.TryRemove("file", out _));

        Assert.Equal(nodes - 1, _table.Count);
        Assert.False(_table.TryLookup(_file, Alice, default, out _));
        _table.Forget(first, 1);
        Assert.False(_table.TryGet(first, out _));
        Assert.Same(_file, Get(second));
        _table.Forget(second, ulong.MaxValue);
        Assert.False(_table.TryGet(second, out _));
    }

    /// <summary>
    /// Regression: each new number makes all who are at the name look it up again, so that 1,000 processes which did
    /// nothing but stat(2) kept everybody from opening the file, for 20 s and more.
    /// </summary>
    [Fact]
    public void A_user_who_looks_up_all_the_time_gets_the_same_number_until_that_ends_and_others_get_their_own()
    {
        _clock.Step = TimeSpan.Zero;
        NodeId[] looked = LookUpAll(Alice, 10_000);
        NodeId shared = looked[^1];
        Assert.InRange(looked.Distinct().Count(), 1, 1 + LookupRates.Many);
        Assert.Equal(100, LookUpAll(Bob, 100).Append(shared).Distinct().Count() - 1);
        Assert.Equal(10_000, LookUpAll(Root, 10_000).Distinct().Count());

        _clock.Advance(TimeSpan.FromSeconds(1)); // she goes on
        Assert.Equal(shared, Assert.Single(LookUpAll(Alice, 10_000).Distinct()));
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(100, LookUpAll(Alice, 100).Distinct().Count());
    }

    private NodeId[] LookUpAll(uint uid, int count) => [.. Enumerable.Range(0, count).Select(_ => LookUp(uid))];

    private NodeId LookUp(uint uid)
    {
        Assert.True(_table.TryLookup(_file, uid, default, out NodeId id));
        return id;
    }

    private Node? Get(NodeId id)
    {
        Assert.True(_table.TryGet(id, out Node? node));
        return node;
    }

    private sealed class FileNode(NodeTable table) : Node(table, NodeAccess.Fixed(0x1A4, 0, 0))
    {
        public override NodeType Type => NodeType.Regular;
    }

    /// <summary>A clock that moves on by so much each time that somebody looks at it.</summary>
    private sealed class Clock : TimeProvider
    {
        private long _now;

        public TimeSpan Step { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now += Step.Ticks;

        public void Advance(TimeSpan time) => _now += time.Ticks;
    }
}
