using System.Globalization;
using System.Text;
using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Tests the places, owners and permissions of the tree's nodes.</summary>
public sealed class LayoutTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private static readonly string[] s_limits = ["commands.deny", "objects.max", "openers.max", "sessions.max",
        "sessions.saved.max", "weight"];
    private static readonly string[] s_actions = ["cancel", "openers", "revoke"];
    private static readonly string[] s_domainEntries = [.. ((string[])[.. s_limits, .. s_actions, "locality", "rm0",
        "stat"]).Order(StringComparer.Ordinal)];
    private static readonly string[] s_localities = ["0", "1", "2", "3", "4"];

    [Fact]
    public void The_root_is_a_domain_with_the_tpm_itself_and_all_other_domains()
    {
        string[] expected = [.. ((string[])[.. s_domainEntries, "raw0", "users", "domains", "status", "metrics",
            "power"]).Order(StringComparer.Ordinal)];
        Assert.Equal(expected, List(Mount.Daemon.MountPoint).Where(name => name != "self"));
        uint? tss = Requirements.Group("tss");
        Assert.Equal("drwx--x--x 0:0", Show("."));
        Assert.Equal($"-rw-rw---- 0:{tss}", Show("rm0"));
        Assert.Equal("-rw------- 0:0", Show("raw0"));
        Assert.Equal("-rw------- 0:0", Show("power"));
        Assert.Equal("drwx--x--x 0:0", Show("users"));
        Assert.Equal("drwx--x--x 0:0", Show("domains"));
        AssertControlFiles("");
    }

    [Fact]
    public void Every_locality_that_the_tpm_can_be_used_at_is_a_directory_for_root()
    {
        Assert.Equal("drwx------ 0:0", Show("locality"));
        Assert.Equal(s_localities, List(At("locality")));
        foreach (string locality in s_localities)
        {
            Assert.Equal("drwx------ 0:0", Show($"locality/{locality}"));
            Assert.Equal(["raw0", "rm0"], List(At($"locality/{locality}")));
            Assert.Equal("-rw------- 0:0", Show($"locality/{locality}/raw0"));
        }
    }

    [Fact]
    public void A_users_directory_and_node_are_the_users_and_the_rest_in_it_is_roots()
    {
        (User user, string path) = NewUser();
        Assert.Equal(s_domainEntries, List(path));
        Assert.StartsWith($"dr-x------ {user.Uid}:", Show(path), StringComparison.Ordinal);
        Assert.StartsWith($"-rw------- {user.Uid}:", Show($"{path}/rm0"), StringComparison.Ordinal);
        Assert.Equal("drwx------ 0:0", Show($"{path}/locality"));
        AssertControlFiles(path);
        Assert.Equal("@admin\n@power\n", Read($"{path}/commands.deny"));
    }

    [Fact]
    public void A_domain_is_made_for_root_and_never_wider_than_0750()
    {
        string path = NewDomain();
        Assert.Equal(s_domainEntries, List(path));
        Assert.Equal("drwxr-x--- 0:0", Show(path));
        Assert.Contains(" 0:", Show($"{path}/rm0"), StringComparison.Ordinal);
        Assert.EndsWith("---", Show($"{path}/rm0").Split(' ')[0], StringComparison.Ordinal);
        AssertControlFiles(path);
        Assert.Equal("@admin\n@power\n", Read($"{path}/commands.deny"));
        Assert.Equal("", Mount.Sandbox.Shell($"find {At("users")} {At("domains")} -name 'raw*'"));

        string narrow = At($"domains/test{NewNumber()}");
        Mount.Sandbox.Shell($"umask 077; mkdir {narrow}");
        Assert.Equal("drwx------ 0:0", Show(narrow));
        string wide = At($"domains/test{NewNumber()}");
        Mount.Sandbox.Shell($"umask 0; mkdir {wide}");
        Assert.Equal("drwxr-x--- 0:0", Show(wide));
    }

    [Fact]
    public void The_limits_of_a_new_tree_are_the_documented_ones()
    {
        foreach (string domain in (string[])[Mount.Daemon.MountPoint, NewDomain(), NewUser().Path])
        {
            Assert.Equal("4096\n", Read($"{domain}/openers.max"));
            Assert.Equal("64\n", Read($"{domain}/objects.max"));
            Assert.Equal("16\n", Read($"{domain}/sessions.max"));
            Assert.Equal("32\n", Read($"{domain}/sessions.saved.max"));
            Assert.Equal("100\n", Read($"{domain}/weight"));
        }

        Assert.Equal("@platform\n", Read(At("commands.deny")));
    }

    [Fact]
    public void Recursive_listings_go_through_the_whole_tree()
    {
        NewUser();
        NewDomain();
        string listing = Mount.Sandbox.Shell($"ls -lR {Mount.Daemon.MountPoint}");
        Assert.Contains("locality/4:", listing, StringComparison.Ordinal);
        string permissions = Mount.Sandbox.Shell($"getfacl -pnR {Mount.Daemon.MountPoint}");
        string expected =
            $"# file: {At("rm0")}\n# owner: 0\n# group: {Requirements.Group("tss")}\n"
            + "user::rw-\ngroup::rw-\nother::---\n";
        Assert.Contains(expected, permissions, StringComparison.Ordinal);
    }

    [Fact]
    public void Self_leads_each_granted_user_to_the_users_own_directory()
    {
        (User, string)[] granted = [NewUser(), NewUser()];
        foreach ((User user, string path) in granted)
        {
            Agent agent = NewAgent(user);
            Assert.Equal($"users/{user.Uid}", Encoding.UTF8.GetString(agent.Call("readlink", At("self")).Data));
            agent.Call("use", At("self/rm0")).Data.Succeeded();
            Assert.Equal(path, Mount.Sandbox.Run(user, "realpath", At("self")).Succeeded().Output.Trim());
        }

        Assert.Equal("ENOENT", NewAgent(User.Outsider).Call("readlink", At("self")).Errno);
        Assert.Equal("ENOENT", Admin.Call("readlink", At("self")).Errno);
    }

    [Fact]
    public void A_users_name_leads_to_the_number_but_cannot_be_made()
    {
        User user = new((uint)NewNumber()), other = new((uint)NewNumber());
        string path = At($"users/{user.Uid}");
        Mount.Sandbox.Shell(string.Create(CultureInfo.InvariantCulture, $"""
            cd {Mount.Sandbox.Folder}
            (cat /etc/passwd; echo alice:x:{user.Uid}:{user.Uid}::/:/bin/sh;
                echo bob:x:{other.Uid}:{other.Uid}::/:/bin/sh) >passwd
            chmod 644 passwd
            mount --bind passwd /etc/passwd
            mkdir {path}
            """));
        try
        {

            // The group database is asked in the background.
            Deadline.Poll(
                () => Admin.Call("readlink", At("users/alice")).Errno is null, "alice's number", Mount.Daemon.Describe);
            Assert.Equal($"{user.Uid}", Encoding.UTF8.GetString(Admin.Call("readlink", At("users/alice")).Data));
            NewAgent(user).Call("use", At("users/alice/rm0")).Data.Succeeded();
            Assert.DoesNotContain("alice", List(At("users")));
            Assert.Equal("EINVAL", Admin.Call("mkdir", At("users/bob")).Errno);
            Deadline.Poll(
                () => Mount.Daemon.Printed.Contains($"{other.Uid}", StringComparison.Ordinal),
                "the number of bob in the log", Mount.Daemon.Describe);
            Assert.Null(Admin.Call("mkdir", At($"users/{other.Uid}")).Errno);
        }
        finally
        {
            Mount.Sandbox.Shell("umount /etc/passwd");
        }

        Assert.Equal(path, Mount.Sandbox.Shell($"cd {path}; pwd -P").Trim());
    }

    [Theory]
    [InlineData("domains", "a:b")]
    [InlineData("domains", "-a")]
    [InlineData("domains", "ü")]
    [InlineData("domains", "a\\b")]
    [InlineData("domains", "a*")]
    [InlineData("users", "nobody-has-this-name")]
    [InlineData("users", "-1")]
    [InlineData("users", "01000")]
    [InlineData("users", "4294967295")]
    [InlineData("users", "99999999999")]
    public void A_name_that_cannot_be_is_invalid(string where, string name)
    {
        string[] before = List(At(where));
        Assert.Equal("EINVAL", Admin.Call("mkdir", At($"{where}/{name}")).Errno);
        Assert.Equal(before, List(At(where)));
    }

    [Fact]
    public void A_name_with_a_space_or_a_newline_is_invalid()
    {
        foreach (string name in (string[])["'a b'", "$'a\\nb'", "$'\\xff'"])
        {
            Outcome outcome =
                Mount.Sandbox.Run(User.Root, "env", "LC_ALL=C", "bash", "-c", $"mkdir {At("domains")}/{name}");
            Assert.Equal(
                (1, true), (outcome.ExitCode, outcome.Error.Contains("Invalid argument", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void What_exists_cannot_be_made_again()
    {
        Assert.Equal("EEXIST", Admin.Call("mkdir", NewDomain()).Errno);
        Assert.Equal("EEXIST", Admin.Call("mkdir", NewUser().Path).Errno);
        Assert.Equal("ENOENT", Admin.Call("rmdir", At("domains/nothing")).Errno);
    }

    [Fact]
    public void Acls_are_kept_and_enforced_as_the_kernel_does_it_elsewhere()
    {
        string node = NewDomain() + "/rm0";
        var user = new User((uint)NewNumber());
        Mount.Sandbox.Shell($"setfacl -m u:{user.Uid}:x {Path.GetDirectoryName(node)}; chmod 600 {node}");
        Agent agent = NewAgent(user);
        Assert.Equal("EACCES", agent.Call("use", node).Errno);
        Mount.Sandbox.Shell($"setfacl -m u:{user.Uid}:rw {node}");
        agent.Call("use", node).Data.Succeeded();
        Assert.StartsWith("-rw-rw----", Show(node), StringComparison.Ordinal);
        Assert.Contains(
            $"user::rw-\nuser:{user.Uid}:rw-\n", Mount.Sandbox.Shell($"getfacl -pn {node}"), StringComparison.Ordinal);

        // chmod's group bits are the mask's.
        Mount.Sandbox.Shell($"chmod 640 {node}");
        Assert.Contains("mask::r--\n", Mount.Sandbox.Shell($"getfacl -pn {node}"), StringComparison.Ordinal);
        Assert.Equal("EACCES", agent.Call("use", node).Errno);
        Mount.Sandbox.Shell($"chmod 660 {node}");
        agent.Call("use", node).Data.Succeeded();
        Mount.Sandbox.Shell($"setfacl -b {node}");
        Assert.Equal("EACCES", agent.Call("use", node).Errno);

        Outcome forChildren = Mount.Sandbox.Run(
            User.Root, "env", "LC_ALL=C", "setfacl", "-d", "-m", "u:1:r", Path.GetDirectoryName(node)!);
        Assert.Contains("Operation not supported", forChildren.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_group_is_let_in_by_chgrp_and_chmod()
    {
        string node = NewDomain() + "/rm0";
        var user = new User((uint)NewNumber(), (uint)NewNumber());
        Agent agent = NewAgent(user);
        Mount.Sandbox.Shell($"chgrp {user.Group} {Path.GetDirectoryName(node)} {node}; chmod 600 {node}");
        Assert.Equal("EACCES", agent.Call("use", node).Errno);
        Mount.Sandbox.Shell($"chmod 660 {node}");
        agent.Call("use", node).Data.Succeeded();
        Mount.Sandbox.Shell($"chmod 700 {Path.GetDirectoryName(node)}");
        Assert.Equal("EACCES", agent.Call("use", node).Errno);
    }

    private string Show(string name) => Mount.Sandbox.Shell($"stat -c '%A %u:%g' {At(name)}").Trim();

    private void AssertControlFiles(string domain)
    {
        Assert.All(s_limits, limit => Assert.Equal("-rw-r--r-- 0:0", Show(Path.Combine(domain, limit))));
        Assert.All(s_actions, action => Assert.Equal("-rw------- 0:0", Show(Path.Combine(domain, action))));
        Assert.Equal("-r--r--r-- 0:0", Show(Path.Combine(domain, "stat")));
        Assert.All(
            [.. s_limits, .. s_actions, "stat"],
            file => Assert.Equal("0", Mount.Sandbox.Shell($"stat -c %s {At(Path.Combine(domain, file))}").Trim()));
    }
}
