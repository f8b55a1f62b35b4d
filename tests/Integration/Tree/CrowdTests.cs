using System.Diagnostics;
using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Tests what a user with very many processes, or with several uids, can do to others.</summary>
public sealed class CrowdTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    /// <summary>
    /// Regression: each lookup ended the kernel's entry for the name, and whoever was at it began again, so that one
    /// open(2) took more than 20 s. Nobody needs a permission to do this.
    /// </summary>
    [Fact]
    public void A_thousand_processes_that_look_a_node_up_keep_nobody_from_opening_it()
    {
        Agent victim = NewAgent(User.Member);
        using ChildProcess crowd = StartCrowd(User.Outsider, "stat", Mount.Node, 1000);
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < 5; i++)
        {
            Task<Reply> use = victim.Begin("use", Mount.Node);
            use.Wait("use of the node", limit: Deadline.Client).Data.Succeeded();
        }

        TimeSpan taken = clock.Elapsed;
        End(crowd);
        Assert.InRange(taken, TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public void The_refused_commands_of_one_user_push_out_no_entry_of_the_audit()
    {
        (User user, string path) = NewUser();
        string of = string.Create(CultureInfo.InvariantCulture, $"of user {user.Uid}, with");
        using ChildProcess crowd = StartCrowd(user, "refused", $"{path}/rm0", 4);
        Deadline.Poll(() => Count(of) >= 1000, "as many entries as a user may have", Mount.Daemon.Describe);
        string domain = NewDomain();
        Deadline.Poll(
            () => Mount.Daemon.Printed.Contains(
                $"{Path.GetRelativePath(Mount.Daemon.MountPoint, domain)}: mkdir", StringComparison.Ordinal),
            "root's entry",
            Mount.Daemon.Describe);
        string dropped = string.Create(
            CultureInfo.InvariantCulture, $"log events that user {user.Uid} caused were dropped");
        Deadline.Poll(() => Count(dropped) > 0, "word of what was dropped", Mount.Daemon.Describe);
        End(crowd);

        Assert.InRange(Count(of), 1000, 2000); // a second stretch of time may have begun
        Assert.InRange(Count(dropped), 1, 10);
    }

    /// <summary>
    /// Regression: the kernel wakes all that polls a file while it holds a lock of the whole connection, so that each
    /// command of a client who had registered a file five million times held everybody up for half a second.
    /// </summary>
    [Fact]
    public void A_client_who_registers_a_file_a_hundred_thousand_times_loses_it()
    {
        string script = Path.Combine(Mount.Sandbox.Scripts, "clients", "registrations.py");
        using ChildProcess greedy = Mount.Sandbox.Start(
            User.Member, ["/usr/bin/python3", script, Mount.Node, "100000"]);

        greedy.Wait(Deadline.Client).Succeeded();
        Assert.Equal("ENODEV", greedy.Printed.Trim());
        Deadline.Poll(
            () => Count("is revoked, because it held up all others") == 1, "the audit's entry", Mount.Daemon.Describe);
        NewAgent(User.Member).Call("use", Mount.Node).Data.Succeeded();
    }

    /// <summary>
    /// Regression: the daemon read a client's name from a file that takes the kernel 30 ms to make where the client has
    /// as many groups as a user has subordinate ids. Root stands for such a user here.
    /// </summary>
    [Fact]
    public void Processes_with_very_many_groups_that_open_a_node_hold_nobody_up()
    {
        Agent victim = NewAgent(User.Member);
        using ChildProcess crowd = StartCrowd(User.Root, "groups", Mount.Node, 100);
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < 10; i++)
        {
            victim.Begin("use", Mount.Node).Wait("use of the node", limit: Deadline.Client).Data.Succeeded();
        }

        TimeSpan taken = clock.Elapsed;
        End(crowd);
        Assert.InRange(taken, TimeSpan.Zero, TimeSpan.FromSeconds(8));
    }

    private ChildProcess StartCrowd(User user, string operation, string path, int count)
    {
        string script = Path.Combine(Mount.Sandbox.Scripts, "clients", "crowd.py");
        ChildProcess crowd = Mount.Sandbox.Start(
            user, ["/usr/bin/python3", script, operation, path, count.ToString(CultureInfo.InvariantCulture)]);
        Deadline.Poll(
            () => crowd.Printed.Contains('\n', StringComparison.Ordinal) || crowd.HasExited,
            "a crowd at work",
            crowd.Describe,
            Deadline.Client);
        return crowd;
    }

    private static void End(ChildProcess crowd)
    {
        Assert.False(crowd.HasExited, crowd.Describe());
        crowd.Input.Close();
        crowd.Wait().Succeeded();
    }

    private int Count(string text) => Mount.Daemon.Printed.Split(text).Length - 1;
}
