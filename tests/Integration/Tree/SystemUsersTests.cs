using System.Globalization;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Tests what follows from the system's users, groups and subordinate uids, and how soon.</summary>
public sealed class SystemUsersTests : IDisposable
{
    private const int Hangup = 1;

    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;
    private readonly string _tree;

    public SystemUsersTests()
    {
        _tpm = new SoftwareTpm(_sandbox, "tpm");
        _tree = _sandbox.MakeFolder("mnt");
    }

    public void Dispose()
    {
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    /// <summary>
    /// Regression: whoever looked up unknown names below users/ kept the daemon from looking at groups again.
    /// </summary>
    [Fact]
    public void A_user_who_is_taken_out_of_a_group_loses_the_domain_though_somebody_looks_up_names_all_the_time()
    {
        var user = new User(54_371);
        Replace("passwd", "(cat /etc/passwd; echo dora:x:54371:54371::/:/bin/sh)");
        Replace("group", "(cat /etc/group; echo users54:x:54399:dora)");
        string file = _sandbox.PathOf("tpmfs.json");
        File.WriteAllText(file, """{ "users": { "@users54": {} } }""");
        using var daemon = new Daemon(_sandbox, _tpm.Tcti, _tree, "--config", file);
        using var agent = new Agent(_sandbox, user);
        Deadline.Poll(() => agent.Call("use", $"{_tree}/self/rm0").Errno is null, "a domain", daemon.Describe);
        Opener opener = agent.Open($"{_tree}/users/54371/rm0");
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();

        string script = Path.Combine(_sandbox.Scripts, "clients", "crowd.py");
        using ChildProcess crowd =
            _sandbox.Start(User.Outsider, ["/usr/bin/python3", script, "missing", $"{_tree}/users", "4"]);
        Deadline.Poll(() => crowd.Printed.Length > 0 || crowd.HasExited, "a crowd at work", crowd.Describe);
        string less = _sandbox.PathOf("less");
        _sandbox.Shell($"sed /^users54/s/dora// /etc/group >{less}; cat {less} >/etc/group");
        daemon.Send(Hangup); // else within five minutes

        Deadline.Poll(
            () => agent.Call("use", $"{_tree}/users/54371/rm0").Errno == "ENOENT", "the domain's end", daemon.Describe);
        Assert.Equal("ENOENT", agent.Call("use", $"{_tree}/self/rm0").Errno);
        Deadline.Poll( // the name goes first
            () => opener.Write(Tpm2.GetRandom(8)).Errno == "ENODEV", "the opener's end", daemon.Describe);
        Assert.False(crowd.HasExited, crowd.Describe());
        crowd.Input.Close();
        crowd.Wait().Succeeded();
        daemon.Stop();
    }

    /// <summary>
    /// Regression: each of a user's subordinate uids had a share of its own, so that twelve of them took all openers
    /// but root's.
    /// </summary>
    [Fact]
    public void The_subordinate_uids_of_a_user_have_one_share_with_that_user()
    {
        Replace("subuid", "echo 54321:300000:1000");
        using var daemon = new Daemon(_sandbox, _tpm.Tcti, _tree);
        using ChildProcess own = Hoard(User.Member, out long held);
        Assert.Equal(2048, held);
        for (uint uid = 300_000; uid < 300_012; uid++)
        {
            using ChildProcess subordinate = Hoard(User.Member with { Uid = uid }, out held);
            Assert.Equal(0, held);
        }

        using ChildProcess other = Hoard(User.OtherMember, out held);
        Assert.Equal(1024, held);
        own.Dispose();
        // the kernel tells the daemon of each closed file a little after the process is gone
        Deadline.Poll(
            () => _sandbox.Shell($"grep ^openers {_tree}/stat") == "openers 1024\n", "the end of the user's openers",
            daemon.Describe);
        using ChildProcess first = Hoard(User.Member with { Uid = 300_999 }, out held);
        Assert.Equal(1536, held); // half of what the other user leaves
        daemon.Stop();
    }

    /// <summary>Shows another file in place of one of /etc, in the sandbox.</summary>
    private void Replace(string name, string content) => _sandbox.Shell($"""
        touch /etc/{name}
        {content} >{_sandbox.PathOf(name)}
        chmod 644 {_sandbox.PathOf(name)}
        mount --bind {_sandbox.PathOf(name)} /etc/{name}
        """);

    /// <summary>Has a user open the node as often as that goes.</summary>
    private ChildProcess Hoard(User user, out long held)
    {
        string script = Path.Combine(_sandbox.Scripts, "clients", "hoard.py");
        ChildProcess hoarder = _sandbox.Start(
            User.Root,
            ["prlimit", "--nofile=20000:20000", .. user.Prefix, "/usr/bin/python3", script, "open", $"{_tree}/rm0",
                "5000"]);
        Deadline.Poll(() => hoarder.Printed.Length > 0 || hoarder.HasExited, "what a user holds", hoarder.Describe);
        string[] words = hoarder.Printed.TrimEnd().Split(' ');
        Assert.True(words is ["holds", _, "ENFILE"], hoarder.Describe());
        held = long.Parse(words[1], CultureInfo.InvariantCulture);
        return hoarder;
    }
}
