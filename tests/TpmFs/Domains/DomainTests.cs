using System.Text;
using TpmFs.Daemon.Tests.Nodes;
using TpmFs.Fuse;
using static TpmFs.Daemon.Tests.Nodes.TreeFixture;

namespace TpmFs.Daemon.Tests.Domains;

/// <summary>Directories that are made and removed, and what becomes of who is in them.</summary>
public sealed class DomainTests : IDisposable
{
    private static readonly byte[] Command = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x7B];
    private readonly TreeFixture tree = new();

    public void Dispose() => tree.Dispose();

    [Fact]
    public void A_domain_has_nodes_localities_and_control_files_and_no_raw_node()
    {
        tree.Make("domains", "web");

        Assert.Equal(
            ["cancel", "commands.deny", "locality", "objects.max", "openers", "openers.max", "revoke", "rm0", "sessions.max", "sessions.saved.max", "stat", "weight"],
            tree.List("domains/web"));
        Assert.Equal(["0", "1", "2", "3", "4"], tree.List("domains/web/locality"));
        Assert.Equal(["rm0"], tree.List("domains/web/locality/2"));
        Assert.Equal(["raw0", "rm0"], tree.List("locality/2"));
    }

    [Theory]
    [InlineData(0x1FFu, 0x41E8u)]
    [InlineData(0x1C0u, 0x41C0u)]
    [InlineData(0x1EDu, 0x41E8u)]
    public void A_made_domain_is_never_wider_than_0750(uint asked, uint mode)
    {
        tree.Make("domains", "web", asked);
        Assert.Equal((mode, 0u, 0u), (tree.Find("domains/web").Mode, tree.Find("domains/web").Uid, tree.Find("domains/web").Gid));
        Assert.Equal(0x81B0u, tree.Find("domains/web/rm0").Mode);
    }

    [Theory]
    [InlineData("-x")]
    [InlineData("a b")]
    [InlineData("a\nb")]
    [InlineData("\u00e9")]
    [InlineData("a\0")]
    public void A_name_that_is_no_portable_file_name_is_EINVAL(string name) => Assert.Equal(Errno.EINVAL, tree.Make("domains", name));

    [Fact]
    public void What_is_there_cannot_be_made_and_what_is_not_cannot_be_removed()
    {
        Assert.Equal(Errno.None, tree.Make("domains", ".a-Z_0"));
        Assert.Equal(Errno.EEXIST, tree.Make("domains", ".a-Z_0"));
        Assert.Equal(Errno.ENOENT, tree.Remove("domains", "b"));
        Assert.Equal(Errno.EPERM, tree.Make("domains/.a-Z_0", "x"));
        Assert.Equal(Errno.EPERM, tree.Remove("domains/.a-Z_0", "locality"));
    }

    [Fact]
    public void Removing_a_domain_ends_its_openers_and_what_waits_in_them()
    {
        tree.Make("domains", "web");
        var open = tree.Open("domains/web/rm0");
        tree.Kernel.Write(Root, default, open, default, Command, out _);
        var parked = tree.ReadFrom(open);
        tree.Kernel.Poll(Root, default, open, new PollId(7), PollEvents.In, out _);

        Assert.Equal(Errno.None, tree.Remove("domains", "web"));

        Assert.Equal(Errno.ENODEV, parked.Error);
        Assert.Equal(Errno.ENODEV, tree.ReadFrom(open).Error);
        Assert.Equal(Errno.ENODEV, tree.Kernel.Write(Root, default, open, default, Command, out _));
        tree.Kernel.Poll(Root, default, open, null, PollEvents.In, out var ready);
        Assert.Equal(PollEvents.Err | PollEvents.Hup, ready);
        Assert.Equal(1, tree.Spaces[0].Closed);
        Assert.Equal([tree.Owners[0].Group], tree.Ended);
        tree.Kernel.Release(default, open);
        Assert.Equal(1, tree.Spaces[0].Closed);
    }

    [Fact]
    public void A_name_made_anew_is_another_domain_and_the_old_node_stays_ENODEV()
    {
        tree.Make("domains", "web");
        var old = tree.Find("domains/web/rm0").Node;
        var oldLimit = tree.Open("domains/web/objects.max");
        tree.Write("domains/web/objects.max", "5");
        tree.Change("domains/web", mode: 0x1C0);
        tree.Remove("domains", "web");
        tree.Make("domains", "web");

        Assert.NotEqual(old, tree.Find("domains/web/rm0").Node);
        Assert.Equal(Errno.ENODEV, tree.Kernel.Open(Root, old, 2, out _));
        Assert.Equal(Errno.ENODEV, tree.Kernel.SetAttributes(Root, old, default(FuseAttributeChange) with { Mode = 0x1FF }, out _));
        Assert.Equal(Errno.ENODEV, tree.WriteTo(oldLimit, "1"));
        Assert.Equal(Errno.ENODEV, tree.ReadFrom(oldLimit).Error);
        Assert.Equal("64\n", tree.Read("domains/web/objects.max"));
        Assert.Equal(0x41E8u, tree.Find("domains/web").Mode);
    }

    [Fact]
    public void A_limit_holds_at_once_for_the_group_that_is_in_use()
    {
        tree.Make("domains", "web");
        tree.Open("domains/web/rm0");
        var group = tree.Owners[0].Group;

        Assert.Equal(Errno.None, tree.Write("domains/web/objects.max", "3\n"));
        Assert.Equal(Errno.None, tree.Write("domains/web/sessions.max", "max"));
        Assert.Equal(Errno.None, tree.Write("domains/web/weight", "10000"));

        Assert.Equal((3, int.MaxValue, 10000), (group.Limits.ObjectsMax, group.Limits.SessionsMax, group.Weight));
        Assert.Equal("max\n", tree.Read("domains/web/sessions.max"));
    }

    [Fact]
    public void The_owner_of_a_directory_finds_its_private_files_as_their_own_and_others_find_roots()
    {
        tree.Make("domains", "web");
        tree.Change("domains/web", uid: Alice.Uid);

        Assert.Equal((0x8180u, 1000u), (tree.Find("domains/web/openers", Alice).Mode, tree.Find("domains/web/openers", Alice).Uid));
        Assert.Equal((0x8180u, 0u), (tree.Find("domains/web/openers", Bob).Mode, tree.Find("domains/web/openers", Bob).Uid));
        Assert.Equal(0u, tree.Find("domains/web/openers").Uid);
        Assert.Equal(Errno.None, tree.TryOpen("domains/web/openers", out _, Alice));
        Assert.Equal(Errno.EACCES, tree.TryOpen("domains/web/openers", out _, Bob));
        var alices = tree.Find("domains/web/revoke", Alice).Node;
        Assert.Equal(Errno.EPERM, tree.Kernel.SetAttributes(Alice, alices, default(FuseAttributeChange) with { Mode = 0x1FF }, out _));
        tree.Change("domains/web", uid: Bob.Uid);
        Assert.Equal(Errno.EACCES, tree.Kernel.Open(Alice, alices, 2, out _));
    }

    [Fact]
    public void Cancel_and_revoke_take_ids_of_their_own_domain_only()
    {
        tree.Make("domains", "web");
        tree.Open("rm0");
        var open = tree.Open("domains/web/rm0", Alice);
        var ofRoot = tree.Read("openers").Split(' ')[0];
        var line = tree.Read("domains/web/openers").TrimEnd('\n').Split(' ');

        Assert.Equal((10, "1000", $"{TreeFixture.NoProcess}", "rm0", "0"), (line.Length, line[1], line[2], line[4], line[5]));
        Assert.Equal(Errno.ESRCH, tree.Write("domains/web/cancel", ofRoot));
        Assert.Equal(Errno.ESRCH, tree.Write("domains/web/revoke", ofRoot));
        Assert.Equal(Errno.EINVAL, tree.Write("domains/web/revoke", "x"));
        Assert.Equal(Errno.EINVAL, tree.Write("domains/web/revoke", line[0] + "\0"));
        Assert.Equal(Errno.None, tree.Write("domains/web/cancel", line[0] + "\n"));
        Assert.Equal((0, 1), (tree.Spaces[0].Canceled, tree.Spaces[1].Canceled));
        Assert.Equal(Errno.None, tree.Write("domains/web/revoke", line[0]));
        Assert.Equal(Errno.ENODEV, tree.ReadFrom(open).Error);
        Assert.Equal("", tree.Read("domains/web/openers"));
        Assert.Equal(Errno.ESRCH, tree.Write("domains/web/revoke", line[0]));
    }

    [Fact]
    public void What_is_read_in_pieces_is_of_one_moment()
    {
        var open = tree.Open("stat");
        var first = Encoding.ASCII.GetString(tree.ReadFrom(open, 0, 9).Data);
        tree.Open("rm0");
        var rest = Encoding.ASCII.GetString(tree.ReadFrom(open, 9).Data);

        Assert.Equal("openers 0\nobjects 0\n", (first + rest)[..20]);
        Assert.Equal("openers 1\n", tree.Read("stat")[..10]);
        Assert.Empty(tree.ReadFrom(open, 100_000).Data);
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
        var before = tree.Read(file);
        Assert.Equal(Errno.EINVAL, tree.Write(file, value));
        Assert.Equal(before, tree.Read(file));
    }

    [Fact]
    public void An_order_of_more_than_64_KiB_is_E2BIG_and_newlines_at_its_end_do_not_count_as_part_of_it()
    {
        Assert.Equal(Errno.E2BIG, tree.Write("objects.max", new string('1', 65537)));
        Assert.Equal(Errno.None, tree.Write("objects.max", "9" + new string('\n', 65535)));
        Assert.Equal("9\n", tree.Read("objects.max"));
        Assert.Equal(Errno.None, tree.Change("objects.max", size: 0));
        Assert.Equal("9\n", tree.Read("objects.max"));
    }

    [Fact]
    public void The_first_names_of_an_open_begin_the_list_and_later_ones_are_added()
    {
        var open = tree.Open("commands.deny");
        tree.WriteTo(open, "TPM2_Clear\n");
        tree.WriteTo(open, "@power\n");
        Assert.Equal("@power\nTPM2_Clear\n", tree.Read("commands.deny"));
        tree.Write("commands.deny", "+TPM2_Quote");
        tree.Write("commands.deny", "-@power");
        Assert.Equal("TPM2_Clear\nTPM2_Quote\n", tree.Read("commands.deny"));
        tree.Write("commands.deny", "\n");
        Assert.Equal("", tree.Read("commands.deny"));
    }
}
