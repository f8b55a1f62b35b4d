using System.Text;
using Serilog.Events;
using TpmFs.Configuration;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Fuse;
using TpmFs.Logs;
using TpmFs.Rm;
using static TpmFs.Daemon.Tests.Tree.TreeFixture;

namespace TpmFs.Daemon.Tests.Tree;

/// <summary>Directories that are made and removed, and what becomes of who is in them.</summary>
public sealed class DomainTests : IDisposable
{
    private static readonly byte[] s_command = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x7B];
    private readonly TreeFixture _tree = new();

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void A_domain_has_nodes_localities_and_control_files_and_no_raw_node()
    {
        _tree.Make("domains", "web");

        Assert.Equal(
            ["cancel", "commands.deny", "locality", "objects.max", "openers", "openers.max", "revoke", "rm0",
                "sessions.max", "sessions.saved.max", "stat", "weight"],
            _tree.List("domains/web"));
        Assert.Equal(["0", "1", "2", "3", "4"], _tree.List("domains/web/locality"));
        Assert.Equal(["rm0"], _tree.List("domains/web/locality/2"));
        Assert.Equal(["raw0", "rm0"], _tree.List("locality/2"));
    }

    /// <summary>
    /// Regression: the owner of a configured domain filled the log by removing it again and again, since the entries
    /// counted as the daemon's own.
    /// </summary>
    [Fact]
    public void A_refused_removal_counts_to_the_share_of_the_log_of_the_user_who_wanted_it()
    {
        var settings = new Settings();
        settings.Domains["web"] = new DomainSettings { Owner = "1000" };
        using var tree = new TreeFixture(settings);
        Assert.Equal(Errno.EPERM, tree.Remove("domains", "web", Alice));
        LogEvent warning = Assert.Single(
            tree.Events, entry => entry.MessageTemplate.Text.Contains("is not removed", StringComparison.Ordinal));
        Assert.Equal(Alice.Uid, LogShares.UserOf(warning));
    }

    [Theory]
    [InlineData(0x1FFu, 0x41E8u)]
    [InlineData(0x1C0u, 0x41C0u)]
    [InlineData(0x1EDu, 0x41E8u)]
    public void A_made_domain_is_never_wider_than_0750(uint asked, uint mode)
    {
        _tree.Make("domains", "web", asked);
        Assert.Equal(
            (mode, 0u, 0u),
            (_tree.Find("domains/web").Mode, _tree.Find("domains/web").Uid, _tree.Find("domains/web").Gid));
        Assert.Equal(0x81B0u, _tree.Find("domains/web/rm0").Mode);
    }

    [Theory]
    [InlineData("-x")]
    [InlineData("a b")]
    [InlineData("a\nb")]
    [InlineData("\u00e9")]
    [InlineData("a\0")]
    public void A_name_that_is_no_portable_file_name_is_EINVAL(string name) =>
        Assert.Equal(Errno.EINVAL, _tree.Make("domains", name));

    [Fact]
    public void A_domain_cannot_be_made_twice_and_a_missing_one_cannot_be_removed()
    {
        Assert.Equal(Errno.None, _tree.Make("domains", ".a-Z_0"));
        Assert.Equal(Errno.EEXIST, _tree.Make("domains", ".a-Z_0"));
        Assert.Equal(Errno.ENOENT, _tree.Remove("domains", "b"));
        Assert.Equal(Errno.EPERM, _tree.Make("domains/.a-Z_0", "x"));
        Assert.Equal(Errno.EPERM, _tree.Remove("domains/.a-Z_0", "locality"));
    }

    /// <summary>
    /// A user who could write in domains ended the openers of all other domains, also of those of root.
    /// </summary>
    [Fact]
    public void A_user_who_may_make_domains_removes_only_what_that_user_owns()
    {
        _tree.Make("domains", "web");
        Assert.Equal(Errno.None, _tree.Make("domains", "alices", caller: Alice));
        _tree.Make("users", "1000");

        Assert.Equal(Errno.EPERM, _tree.Remove("domains", "web", Alice));
        Assert.Equal(Errno.EPERM, _tree.Remove("domains", "alices", Bob));
        Assert.Equal(Errno.EPERM, _tree.Remove("users", "1000", Bob));
        Assert.Equal(Errno.ENOENT, _tree.Remove("domains", "none", Bob));
        Assert.Equal(Errno.None, _tree.Remove("domains", "alices", Alice));
        Assert.Equal(Errno.None, _tree.Remove("users", "1000", Alice));
        Assert.Equal(Errno.None, _tree.Remove("domains", "web"));
    }

    /// <summary>
    /// Regression: fusermount3 let a user who may write in domains mount another filesystem over it, for all.
    /// </summary>
    [Theory]
    [InlineData("", 0x1ADu, 0x41ADu)]
    [InlineData("domains", 0x1F8u, 0x43F8u)]
    [InlineData("domains", 0x1C2u, 0x43C2u)]
    [InlineData("users", 0x1FFu, 0x43FFu)]
    [InlineData("domains/web", 0x1F8u, 0x43F8u)]
    [InlineData("domains/web/rm0", 0x1B6u, 0x81B6u)]
    public void A_directory_that_others_than_its_owner_may_write_to_is_sticky(string path, uint mode, uint shown)
    {
        _tree.Make("domains", "web");
        NodeId node = path.Length == 0 ? NodeId.Root : _tree.NumberOf(path);
        var change = new FuseAttributeChange { Mode = mode };
        Assert.Equal(Errno.None, _tree.Kernel.SetAttributes(Root, node, change, out FuseAttributes changed));
        Assert.Equal((shown, shown), (changed.Mode, _tree.Find(path).Mode));
    }

    /// <summary>
    /// The share of domains counts by owners, so a user who could write in users made all 1,024 directories, as those
    /// of other users.
    /// </summary>
    [Fact]
    public void A_user_who_may_write_in_users_makes_no_directory_that_another_user_would_own()
    {
        Assert.Equal(Errno.EPERM, _tree.Make("users", "1001", caller: Alice));
        Assert.Equal(Errno.EPERM, _tree.Make("users", "0", caller: Alice));
        Assert.Equal(Errno.EINVAL, _tree.Make("users", "alice", caller: Alice));
        Assert.Equal(Errno.None, _tree.Make("users", "1000", caller: Alice));
        Assert.Equal(Errno.None, _tree.Make("users", "1001"));
    }

    [Fact]
    public void Removing_a_domain_ends_its_openers_and_what_waits_in_them()
    {
        _tree.Make("domains", "web");
        OpenId open = _tree.Open("domains/web/rm0");
        _tree.Kernel.Write(Root, default, open, default, s_command, out _);
        FakeReply parked = _tree.ReadFrom(open);
        _tree.Kernel.Poll(Root, default, open, new PollId(7), PollEvents.In, out _);

        Assert.Equal(Errno.None, _tree.Remove("domains", "web"));

        Assert.Equal(Errno.ENODEV, parked.Error);
        Assert.Equal(Errno.ENODEV, _tree.ReadFrom(open).Error);
        Assert.Equal(Errno.ENODEV, _tree.Kernel.Write(Root, default, open, default, s_command, out _));
        _tree.Kernel.Poll(Root, default, open, null, PollEvents.In, out PollEvents ready);
        Assert.Equal(PollEvents.Err | PollEvents.Hup, ready);
        Assert.Equal(1, _tree.Spaces[0].Closed);
        Assert.Equal([_tree.Owners[0].Group], _tree.Ended);
        _tree.Kernel.Release(default, open);
        Assert.Equal(1, _tree.Spaces[0].Closed);
    }

    [Fact]
    public void A_name_made_anew_is_another_domain_and_the_old_node_stays_ENODEV()
    {
        _tree.Make("domains", "web");
        NodeId old = _tree.NumberOf("domains/web/rm0");
        OpenId oldLimit = _tree.Open("domains/web/objects.max");
        _tree.Write("domains/web/objects.max", "5");
        _tree.Change("domains/web", mode: 0x1C0);
        _tree.Remove("domains", "web");
        _tree.Make("domains", "web");

        Assert.NotEqual(old, _tree.NumberOf("domains/web/rm0"));
        Assert.Equal(Errno.ENODEV, _tree.Kernel.Open(Root, old, 2, out _));
        Assert.Equal(
            Errno.ENODEV,
            _tree.Kernel.SetAttributes(Root, old, default(FuseAttributeChange) with { Mode = 0x1FF }, out _));
        Assert.Equal(Errno.ENODEV, _tree.WriteTo(oldLimit, "1"));
        Assert.Equal(Errno.ENODEV, _tree.ReadFrom(oldLimit).Error);
        Assert.Equal("64\n", _tree.Read("domains/web/objects.max"));
        Assert.Equal(0x41E8u, _tree.Find("domains/web").Mode);
    }

    [Fact]
    public void A_limit_holds_at_once_for_the_group_that_is_in_use()
    {
        _tree.Make("domains", "web");
        _tree.Open("domains/web/rm0");
        SchedulingGroup group = _tree.Owners[0].Group;

        Assert.Equal(Errno.None, _tree.Write("domains/web/objects.max", "3\n"));
        Assert.Equal(Errno.None, _tree.Write("domains/web/sessions.max", "max"));
        Assert.Equal(Errno.None, _tree.Write("domains/web/weight", "10000"));

        Assert.Equal((3, int.MaxValue, 10000), (group.Limits.ObjectsMax, group.Limits.SessionsMax, group.Weight));
        Assert.Equal("max\n", _tree.Read("domains/web/sessions.max"));
    }

    [Fact]
    public void The_owner_of_a_directory_finds_its_private_files_as_their_own_and_others_find_roots()
    {
        _tree.Make("domains", "web");
        _tree.Change("domains/web", uid: Alice.Uid);

        Assert.Equal(
            (0x8180u, 1000u),
            (_tree.Find("domains/web/openers", Alice).Mode, _tree.Find("domains/web/openers", Alice).Uid));
        Assert.Equal(
            (0x8180u, 0u), (_tree.Find("domains/web/openers", Bob).Mode, _tree.Find("domains/web/openers", Bob).Uid));
        Assert.Equal(0u, _tree.Find("domains/web/openers").Uid);
        Assert.Equal(Errno.None, _tree.TryOpen("domains/web/openers", out _, Alice));
        Assert.Equal(Errno.EACCES, _tree.TryOpen("domains/web/openers", out _, Bob));
        NodeId alices = _tree.NumberOf("domains/web/revoke", Alice);
        Assert.Equal(
            Errno.EPERM,
            _tree.Kernel.SetAttributes(Alice, alices, default(FuseAttributeChange) with { Mode = 0x1FF }, out _));
        _tree.Change("domains/web", uid: Bob.Uid);
        Assert.Equal(Errno.EACCES, _tree.Kernel.Open(Alice, alices, 2, out _));
    }

    /// <summary>
    /// Regression: what a former owner had open counted until it was closed, revoked or not, and kept the present owner
    /// out.
    /// </summary>
    [Fact]
    public void What_is_open_since_a_former_owner_s_time_keeps_the_present_owner_from_no_opener()
    {
        _tree.Make("domains", "web");
        _tree.Write("domains/web/openers.max", "3");
        _tree.Change("domains/web", uid: Alice.Uid);
        OpenId first = _tree.Open("domains/web/rm0", Alice);
        _tree.Open("domains/web/rm0", Alice);
        _tree.Open("domains/web/rm0", Alice);
        Assert.Equal(Errno.ENFILE, _tree.TryOpen("domains/web/rm0", out _, Alice));

        _tree.Change("domains/web", uid: Bob.Uid);
        _tree.Open("domains/web/rm0", Bob);
        _tree.Open("domains/web/rm0", Bob);
        _tree.Open("domains/web/rm0", Bob);
        _tree.Kernel.Release(default, first);
        Assert.Equal(Errno.ENFILE, _tree.TryOpen("domains/web/rm0", out _, Bob));

        _tree.Change("domains/web", uid: Alice.Uid);
        _tree.Open("domains/web/rm0", Alice);
        Assert.Equal(Errno.ENFILE, _tree.TryOpen("domains/web/rm0", out _, Alice));
    }

    [Fact]
    public void Cancel_and_revoke_take_ids_of_their_own_domain_only()
    {
        _tree.Make("domains", "web");
        _tree.Open("rm0");
        OpenId open = _tree.Open("domains/web/rm0", Alice);
        string ofRoot = _tree.Read("openers").Split(' ')[0];
        string[] line = _tree.Read("domains/web/openers").TrimEnd('\n').Split(' ');

        Assert.Equal(
            (16, "1000", $"{TreeFixture.NoProcess}", "rm0", "0"), (line.Length, line[1], line[2], line[4], line[5]));
        Assert.Equal(Errno.ESRCH, _tree.Write("domains/web/cancel", ofRoot));
        Assert.Equal(Errno.ESRCH, _tree.Write("domains/web/revoke", ofRoot));
        Assert.Equal(Errno.EINVAL, _tree.Write("domains/web/revoke", "x"));
        Assert.Equal(Errno.EINVAL, _tree.Write("domains/web/revoke", line[0] + "\0"));
        Assert.Equal(Errno.None, _tree.Write("domains/web/cancel", line[0] + "\n"));
        Assert.Equal((0, 1), (_tree.Spaces[0].Canceled, _tree.Spaces[1].Canceled));
        Assert.Equal(Errno.None, _tree.Write("domains/web/revoke", line[0]));
        Assert.Equal(Errno.ENODEV, _tree.ReadFrom(open).Error);
        Assert.Equal("", _tree.Read("domains/web/openers"));
        Assert.Equal(Errno.ESRCH, _tree.Write("domains/web/revoke", line[0]));
    }

    [Fact]
    public void A_reading_in_pieces_sees_one_moment()
    {
        OpenId open = _tree.Open("stat");
        string first = Encoding.ASCII.GetString(_tree.ReadFrom(open, 0, 9).Data);
        _tree.Open("rm0");
        string rest = Encoding.ASCII.GetString(_tree.ReadFrom(open, 9).Data);

        Assert.Equal("openers 0\nobjects 0\n", (first + rest)[..20]);
        Assert.Equal("openers 1\n", _tree.Read("stat")[..10]);
        Assert.Empty(_tree.ReadFrom(open, 100_000).Data);
    }

    [Theory]
    [InlineData("objects.max", "-1")]
    [InlineData("objects.max", "")]
    [InlineData("objects.max", "1 ")]
    [InlineData("objects.max", "+1")]
    [InlineData("objects.max", "5\0")]
    [InlineData("objects.max", "2147483648")]
    [InlineData("objects.max", "MAX")]
    [InlineData("weight", "0")]
    [InlineData("weight", "10001")]
    [InlineData("weight", "max")]
    [InlineData("stat", "1")]
    [InlineData("commands.deny", "TPM2_Nothing")]
    [InlineData("commands.deny", "TPM2_Clear\nnonsense")]
    [InlineData("commands.deny", "Clear")]
    [InlineData("commands.deny", "@nothing")]
    [InlineData("commands.deny", "+")]
    [InlineData("commands.deny", "0x126\0")]
    public void A_bad_value_is_EINVAL_and_changes_nothing(string file, string value)
    {
        string before = _tree.Read(file);
        Assert.Equal(Errno.EINVAL, _tree.Write(file, value));
        Assert.Equal(before, _tree.Read(file));
    }

    [Fact]
    public void An_order_of_more_than_64_KiB_is_E2BIG_and_newlines_at_its_end_do_not_count_as_part_of_it()
    {
        Assert.Equal(Errno.E2BIG, _tree.Write("objects.max", new string('1', 65537)));
        Assert.Equal(Errno.None, _tree.Write("objects.max", "9" + new string('\n', 65535)));
        Assert.Equal("9\n", _tree.Read("objects.max"));
        Assert.Equal(Errno.None, _tree.Change("objects.max", size: 0));
        Assert.Equal("9\n", _tree.Read("objects.max"));
    }

    [Fact]
    public void The_first_names_of_an_open_begin_the_list_and_later_ones_are_added()
    {
        OpenId open = _tree.Open("commands.deny");
        _tree.WriteTo(open, "TPM2_Clear\n");
        _tree.WriteTo(open, "@power\n");
        Assert.Equal("@power\nTPM2_Clear\n", _tree.Read("commands.deny"));
        _tree.Write("commands.deny", "+TPM2_Quote");
        _tree.Write("commands.deny", "-@power");
        Assert.Equal("TPM2_Clear\nTPM2_Quote\n", _tree.Read("commands.deny"));
        _tree.Write("commands.deny", "\n");
        Assert.Equal("", _tree.Read("commands.deny"));
    }
}
