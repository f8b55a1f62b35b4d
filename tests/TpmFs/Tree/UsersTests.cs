using System.Text;
using TpmFs.Configuration;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Fuse;
using TpmFs.Permissions;
using TpmFs.Policy;
using TpmFs.Users;
using static TpmFs.Daemon.Tests.Tree.TreeFixture;

namespace TpmFs.Daemon.Tests.Tree;

/// <summary>Tests which users have a directory, and under which names.</summary>
public sealed class UsersTests
{
    private static readonly TimeSpan s_lookupInterval = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_user_is_granted_by_name_by_number_or_through_a_group_and_a_user_goes_before_a_group()
    {
        var settings = new Settings();
        settings.Users["@students"] = new DomainSettings { Limits = new Limits { ObjectsMax = 3 } };
        settings.Users["bob"] = new DomainSettings { Limits = new Limits { Weight = 7 } };
        settings.Users["4711"] = new DomainSettings();
        settings.Users["nobody-here"] = new DomainSettings();
        using var tree = new TreeFixture(settings);

        Assert.Equal(["1000", "1001", "4711"], tree.List("users"));
        Assert.Equal(
            (0x4140u, 1000u, 0u),
            (tree.Find("users/1000").Mode, tree.Find("users/1000").Uid, tree.Find("users/1000").Gid));
        Assert.Equal(
            ("3\n", "64\n", "7\n"),
            (tree.Read("users/1000/objects.max"), tree.Read("users/1001/objects.max"), tree.Read("users/1001/weight")));
        Assert.Contains("nobody-here", tree.Logged, StringComparison.Ordinal);
    }

    [Fact]
    public void Self_leads_whoever_asks_to_their_own_and_is_not_there_for_others()
    {
        using var tree = new TreeFixture();
        tree.Make("users", "1000");

        NodeId link = tree.NumberOf("self", Alice);
        var target = new FakeBytesReply();
        Assert.Equal(Errno.None, tree.Kernel.ReadLink(Alice, link, target));
        Assert.Equal("users/1000", Encoding.ASCII.GetString(target.Bytes!));
        Assert.Contains("self", tree.List("", Alice));
        Assert.Equal(Errno.ENOENT, tree.TryFind("self", out _, Bob));
        Assert.Equal(Errno.ENOENT, tree.Kernel.ReadLink(Bob, link, target));
        Assert.DoesNotContain("self", tree.List("", Bob));
    }

    [Theory]
    [InlineData("alice")]
    [InlineData("01000")]
    [InlineData("+1")]
    [InlineData("4294967295")]
    [InlineData("1000\0")]
    [InlineData("99999999999")]
    public void A_directory_is_made_by_number_alone(string name)
    {
        using var tree = new TreeFixture();
        Assert.Equal(Errno.EINVAL, tree.Make("users", name));
        Assert.Empty(tree.List("users"));
    }

    /// <summary>
    /// Regression: a user who may write in users filled the log, and kept the directory server from looking up the
    /// names of others.
    /// </summary>
    [Fact]
    public void What_a_user_types_instead_of_a_number_is_neither_looked_up_nor_logged()
    {
        using var tree = new TreeFixture();
        Assert.Equal(Errno.EINVAL, tree.Make("users", "carol", caller: Alice));
        Assert.Equal(Errno.EINVAL, tree.Make("users", "dave"));
        Assert.True(
            SpinWait.SpinUntil(
                () => tree.Logged.Contains("mkdir users/dave", StringComparison.Ordinal), TimeSpan.FromSeconds(30)),
            "root was not told");
        Assert.DoesNotContain("mkdir users/carol", tree.Logged, StringComparison.Ordinal);
        Assert.DoesNotContain("carol", tree.Database.Asked);
    }

    /// <summary>
    /// Regression: the directory server was asked for a user each time that the user's directory was made.
    /// </summary>
    [Fact]
    public void A_user_is_looked_up_once_however_often_the_directory_is_made()
    {
        using var tree = new TreeFixture();
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(Errno.None, tree.Make("users", "1000", caller: Alice));
            Assert.True(
                SpinWait.SpinUntil(() => tree.Database.AskedUids.Contains(1000u), TimeSpan.FromSeconds(30)),
                "alice was not looked up");
            Assert.Equal(Errno.None, tree.Remove("users", "1000", Alice));
        }

        tree.Make("users", "1001");
        Assert.True(
            SpinWait.SpinUntil(() => tree.Database.AskedUids.Contains(1001u), TimeSpan.FromSeconds(30)),
            "bob was not looked up");
        Assert.Equal([1000u, 1001u], tree.Database.AskedUids);
    }

    [Fact]
    public void A_name_leads_to_the_number_once_it_is_known_and_is_not_listed()
    {
        using var tree = new TreeFixture();
        tree.Make("users", "1000");
        Assert.True(
            SpinWait.SpinUntil(() => !tree.TryFind("users/alice", out _).IsError, TimeSpan.FromSeconds(30)),
            "alice's number was never known");

        var target = new FakeBytesReply();
        tree.Kernel.ReadLink(Bob, tree.NumberOf("users/alice"), target);
        Assert.Equal("1000", Encoding.ASCII.GetString(target.Bytes!));
        Assert.Equal(["1000"], tree.List("users"));
        Assert.Equal(Errno.ENOENT, tree.TryFind("users/bob", out _));
        tree.Remove("users", "1000");
        Assert.Equal(Errno.ENOENT, tree.TryFind("users/alice", out _));
    }

    [Fact]
    public void A_reload_adds_changes_and_ends_and_what_was_changed_at_run_time_stays()
    {
        var settings = new Settings();
        settings.Users["alice"] = new DomainSettings();
        settings.Users["bob"] = new DomainSettings();
        using var tree = new TreeFixture(settings);
        tree.Write("users/1000/objects.max", "5");
        OpenId bobs = tree.Open("users/1001/rm0", Bob);
        Assert.Equal(Errno.EPERM, tree.Remove("users", "1001"));

        var changed = new Settings();
        changed.Users["alice"] = new DomainSettings { Limits = new Limits { ObjectsMax = 1, Weight = 9 } };
        changed.Domains["web"] = new DomainSettings { Owner = "bob", Group = "students" };
        tree.Tree.Configure(changed, new Access(0x180, 0, 0));

        Assert.True(
            SpinWait.SpinUntil(() => !tree.TryFind("domains/web", out _).IsError, TimeSpan.FromSeconds(30)),
            "the reload never came");
        Assert.Equal(["1000"], tree.List("users"));
        Assert.Equal(("5\n", "9\n"), (tree.Read("users/1000/objects.max"), tree.Read("users/1000/weight")));
        Assert.Equal(Errno.ENODEV, tree.ReadFrom(bobs).Error);
        Assert.Equal(
            (0x4168u, 1001u, 200u),
            (tree.Find("domains/web").Mode, tree.Find("domains/web").Uid, tree.Find("domains/web").Gid));
        Assert.Equal(0x8180u, tree.Find("rm0").Mode);
    }

    /// <summary>
    /// Each lookup of an unknown name began the five minutes anew, so anybody could keep a member that was taken out.
    /// </summary>
    [Fact]
    public void A_user_who_is_taken_out_of_a_group_loses_the_directory_in_time_whatever_others_look_up()
    {
        var settings = new Settings();
        settings.Users["@students"] = new DomainSettings();
        using var tree = new TreeFixture(settings);
        Assert.Equal(["1000", "1001"], tree.List("users"));
        tree.Database.Groups["students"] = (200, ["alice"]);

        for (TimeSpan at = TimeSpan.Zero; at < UserResolver.Period; at += s_lookupInterval)
        {
            string name = $"nobody{at.TotalSeconds}";
            Assert.Equal(Errno.ENOENT, tree.TryFind($"users/{name}", out _, Alice));
            WaitUntil(() => tree.Database.Asked.Contains(name), $"{name} is asked for");
            tree.Time.Advance(s_lookupInterval);
        }

        WaitUntil(() => tree.List("users") is ["1000"], "bob's directory is gone");
    }

    /// <summary>Each lookup was a question to the directory server.</summary>
    [Fact]
    public void Of_the_names_that_a_user_looks_up_a_few_are_asked_for_and_nobodys_once()
    {
        using var tree = new TreeFixture();
        for (int i = 0; i < 1000; i++)
        {
            Assert.Equal(Errno.ENOENT, tree.TryFind($"users/nobody{i}", out _, Alice));
        }

        Assert.Equal(Errno.ENOENT, tree.TryFind("users/bob", out _, Bob));
        WaitUntil(
            () =>
            {
                tree.Time.Advance(WantedNames.Interval);
                return tree.Database.Asked.Contains("bob") && Asked() > WantedNames.MaxOfUser;
            },
            "what waits is asked for");

        // Some names may be taken while the others come, and each makes room for one more.
        Assert.InRange(Asked(), WantedNames.MaxOfUser + 1, 2 * WantedNames.MaxOfUser);
        Assert.Equal(Errno.ENOENT, tree.TryFind("users/nobody0", out _, Bob));
        Assert.Equal(Errno.ENOENT, tree.TryFind("users/alice", out _, Bob));
        WaitUntil(
            () =>
            {
                tree.Time.Advance(WantedNames.Interval);
                return tree.Database.Asked.Contains("alice");
            },
            "alice is asked for");
        Assert.Single(tree.Database.Asked, name => name == "nobody0");

        // The machine's own /etc/subuid has names, too.
        int Asked() => tree.Database.Asked.Count(
            name => name == "bob" || name.StartsWith("nobody", StringComparison.Ordinal));
    }

    /// <summary>
    /// Regression: a domain that the configuration removed came back with the former owner, and with whom that owner
    /// had let in.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_domain_that_the_configuration_removed_comes_back_as_another(bool restarts)
    {
        string folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
        var tree = new TreeFixture(Giving("web", "1000"), folder);
        var open = new FuseAttributeChange { Mode = 0x1FF };
        Assert.Equal(Errno.None, tree.Kernel.SetAttributes(Alice, tree.NumberOf("domains/web"), open, out _));
        Assert.Equal(Errno.None, tree.Kernel.SetAttributes(Alice, tree.NumberOf("domains/web/rm0"), open, out _));
        if (restarts)
        {
            tree.Stop();
            new TreeFixture(new Settings(), folder).Stop();
            tree = new TreeFixture(Giving("web", "1001"), folder);
        }
        else
        {
            Reload(tree, new Settings(), () => tree.TryFind("domains/web", out _).IsError);
            Reload(tree, Giving("web", "1001"), () => !tree.TryFind("domains/web", out _).IsError);
        }

        using (tree)
        {
            Assert.Equal(1001u, tree.Find("domains/web").Uid);
            Assert.Equal((0x81B0u, 1001u), (tree.Find("domains/web/rm0").Mode, tree.Find("domains/web/rm0").Uid));
        }
    }

    /// <summary>Regression: a user made a domain beforehand, and kept it when root configured it for another.</summary>
    [Fact]
    public void A_domain_that_is_configured_is_taken_from_another_user_who_made_it()
    {
        using var tree = new TreeFixture();
        tree.Make("domains", "pay", caller: Alice);
        tree.Make("domains", "bobs", caller: Bob);
        OpenId alices = tree.Open("domains/pay/rm0", Alice);
        OpenId bobs = tree.Open("domains/bobs/rm0", Bob);
        Settings settings = Giving("pay", "1001");
        settings.Domains["bobs"] = new DomainSettings { Owner = "1001" };
        Reload(tree, settings, () => !tree.TryFind("domains/pay", out FuseAttributes found).IsError
            && found.Uid == 1001);

        Assert.Equal(1001u, tree.Find("domains/pay/rm0").Uid);
        Assert.Equal(Errno.ENODEV, tree.ReadFrom(alices).Error);
        Assert.NotEqual(Errno.ENODEV, tree.ReadFrom(bobs).Error);
        Assert.Contains("domains/pay belonged to user 1000", tree.Logged, StringComparison.Ordinal);
    }

    /// <summary>
    /// Regression: an owner who had once said chmod stayed the owner, whatever was configured later.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_domain_that_is_configured_for_another_owner_is_that_owner_s(bool restarts)
    {
        string folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
        var tree = new TreeFixture(Giving("web", "1000"), folder);
        var closed = new FuseAttributeChange { Mode = 0x180 };
        Assert.Equal(Errno.None, tree.Kernel.SetAttributes(Alice, tree.NumberOf("domains/web"), closed, out _));
        Assert.Equal(Errno.None, tree.Kernel.SetAttributes(Alice, tree.NumberOf("domains/web/rm0"), closed, out _));
        tree = Reconfigure("1001");
        Assert.Equal((0x41E8u & ~0x92u, 1001u), (tree.Find("domains/web").Mode, tree.Find("domains/web").Uid));
        Assert.Equal((0x81B0u, 1001u), (tree.Find("domains/web/rm0").Mode, tree.Find("domains/web/rm0").Uid));

        tree = Reconfigure("1000");
        using (tree)
        {
            Assert.Equal((0x8180u, 1000u), (tree.Find("domains/web/rm0").Mode, tree.Find("domains/web/rm0").Uid));
        }

        TreeFixture Reconfigure(string owner)
        {
            if (restarts)
            {
                tree.Stop();
                return new TreeFixture(Giving("web", owner), folder);
            }

            uint uid = uint.Parse(owner, System.Globalization.CultureInfo.InvariantCulture);
            Reload(tree, Giving("web", owner), () => tree.Find("domains/web/rm0").Uid == uid);
            return tree;
        }
    }

    /// <summary>
    /// Regression: what was kept of a user's directory came back when the grant had been taken away while no daemon
    /// ran. It must not be lost only because the system does not find a user now.
    /// </summary>
    [Theory]
    [InlineData("bob", false, 0x8180u)]
    [InlineData("@students", false, 0x8180u)]
    [InlineData("bob", true, 0x8100u)]
    [InlineData("nobody-here", false, 0x8100u)]
    public void A_user_who_is_granted_again_has_a_directory_without_changes(string other, bool isDown, uint mode)
    {
        string folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
        var database = new FakeUserDatabase();
        database.Groups["students"] = (200, ["bob"]);
        var tree = new TreeFixture(Granting("alice"), folder, database);
        tree.Change("users/1000/rm0", mode: 0x100);
        tree.Stop();

        database.IsDown = isDown;
        new TreeFixture(Granting(other), folder, database).Stop();

        database.IsDown = false;
        using var last = new TreeFixture(Granting("alice"), folder, database);
        Assert.Equal(mode, last.Find("users/1000/rm0").Mode);
    }

    private static Settings Granting(string grantee)
    {
        var settings = new Settings();
        settings.Users[grantee] = new DomainSettings();
        return settings;
    }

    private static Settings Giving(string domain, string owner)
    {
        var settings = new Settings();
        settings.Domains[domain] = new DomainSettings { Owner = owner };
        return settings;
    }

    private static void Reload(TreeFixture tree, Settings settings, Func<bool> isDone)
    {
        tree.Tree.Configure(settings, new Access(0x180, 0, 0));
        Assert.True(SpinWait.SpinUntil(isDone, TimeSpan.FromSeconds(30)), "the reload never came");
    }

    [Fact]
    public void When_nobody_can_be_asked_who_was_granted_stays()
    {
        var settings = new Settings();
        settings.Users["alice"] = new DomainSettings();
        using var tree = new TreeFixture(settings);
        tree.Database.IsDown = true;
        settings.Domains["sign"] = new DomainSettings();
        tree.Tree.Configure(settings, new Access(0x180, 0, 0));
        Assert.True(
            SpinWait.SpinUntil(() => !tree.TryFind("domains/sign", out _).IsError, TimeSpan.FromSeconds(30)),
            "the reload never came");
        Assert.Equal(["1000"], tree.List("users"));
    }

    [Fact]
    public void The_systems_users_and_groups_are_found()
    {
        var database = new UserDatabase();
        Assert.True(database.TryFindUser("root", out UserEntry? root));
        Assert.Equal(new UserEntry("root", 0, 0), root);
        Assert.True(database.TryFindUser(0, out UserEntry? same));
        Assert.Equal(root, same);
        Assert.True(database.TryFindUser("no-such-user-here", out UserEntry? none));
        Assert.Null(none);
        Assert.True(database.TryFindGroup("root", out uint? gid));
        Assert.Equal(0u, gid);
        Assert.True(database.TryFindMembers("root", out IReadOnlyList<UserEntry>? members));
        Assert.Contains(root!, members!);
        Assert.True(database.TryFindMembers("no-such-group-here", out members));
        Assert.Null(members);
    }

    private static void WaitUntil(Func<bool> condition, string what) =>
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(30)), $"it never came that {what}");
}
