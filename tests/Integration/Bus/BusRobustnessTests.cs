using System.Buffers.Binary;
using System.Diagnostics;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>Clients that send what is no command, or do not read, and very many of them: nobody else notices.</summary>
public sealed class BusRobustnessTests(BusMount mount, ITestOutputHelper output) : BusTests(mount, output)
{
    private const int RandomBytes = 32;
    private const int RandomResponse = 12 + RandomBytes;

    [Fact]
    public void Half_a_command_waits_for_its_other_half_and_holds_up_nobody()
    {
        byte[] command = Tpm2.CreatePrimary();
        Opener slow = Connect(User.Member);
        Opener other = Connect(User.OtherMember);
        for (int at = 0; at < command.Length; at++)
        {
            Assert.Equal(1, slow.Write(command[at..(at + 1)]).Value);
            other.Transact(Tpm2.GetRandom(8)).Succeeded();
        }

        slow.Read().Data.Succeeded();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    [InlineData(8193)]
    [InlineData(0x7FFF_FFFF)]
    [InlineData(-1)]
    public void A_size_that_no_command_has_ends_the_connection(int size)
    {
        Opener opener = Connect(User.Member);
        opener.Transact(Tpm2.CreatePrimary()).Succeeded();
        byte[] command = Tpm2.GetRandom(8);
        BinaryPrimitives.WriteInt32BigEndian(command.AsSpan(2), size);
        opener.Submit(command);
        Reply read = opener.Read();
        Assert.True(read.Data.Length == 0 || read.Errno == "ECONNRESET");
        AssertTpmEmpties();
    }

    [Fact]
    public void A_command_that_is_too_large_for_the_tpm_is_answered_and_the_next_one_is_taken()
    {
        Opener opener = Connect(User.Member);
        byte[] command = new byte[8192];
        Tpm2.GetRandom(8).CopyTo(command, 0);
        BinaryPrimitives.WriteInt32BigEndian(command.AsSpan(2), command.Length);
        opener.Submit(command);
        Assert.Equal(Layer | 0x142, opener.Read().Data.Code());
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
    }

    [Fact]
    public void What_is_no_tpm_command_gets_the_tpms_code()
    {
        Opener opener = Connect(User.Member);
        byte[] command = [0x80, 0x01, 0, 0, 0, 10, 0xFF, 0xFF, 0xFF, 0xFF];
        Assert.Equal(Mount.Bare.Connect() is var bare ? bare.Transact(command) : [], opener.Transact(command));
    }

    [Fact]
    public void Commands_that_are_sent_ahead_are_answered_in_their_order()
    {
        Opener opener = Connect(User.Member);
        opener.Submit([.. Tpm2.GetRandom(1), .. Tpm2.GetRandom(2), .. Tpm2.GetRandom(3)]);
        Assert.Equal(
            [13, 14, 15],
            Enumerable.Range(0, 3).Select(i => opener.Read(13 + i).Data.Succeeded().Length));
    }

    [Fact]
    public void Clients_that_never_read_fill_their_own_sockets_and_nothing_else()
    {
        Opener[] hoarders = [.. Enumerable.Range(0, 4).Select(_ => Connect(User.OtherMember))];
        string command = Convert.ToHexString(Tpm2.GetRandom(RandomBytes));
        Task<Reply>[] floods = Array.ConvertAll(hoarders, hoarder => hoarder.Begin("tcti_flood", command));
        Opener other = Connect(User.Member);
        long[] sent = [.. hoarders.Zip(floods, (hoarder, flood) => hoarder.Agent.End(flood).Value)];
        other.Transact(Tpm2.GetRandom(8)).Succeeded();
        for (int i = 0; i < hoarders.Length; i++)
        {
            Assert.InRange(sent[i], 100, 100_000);
            Assert.Equal(sent[i], hoarders[i].Call("tcti_drain", sent[i], RandomResponse).Value);
            hoarders[i].Transact(Tpm2.GetRandom(8)).Succeeded();
        }
    }

    [Fact]
    public void A_client_that_only_writes_no_more_gets_its_answer()
    {
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock, canBeGivenUp: true);
        Opener opener = Connect(User.Member);
        opener.Submit(Tpm2.ReadClock());
        hold.WaitUntilHeld();
        Assert.Null(opener.Call("shut_write").Errno);
        hold.Release();
        opener.Read().Data.Succeeded();
        Assert.Empty(opener.Read().Data);
    }

    [Fact]
    public void A_thousand_connections_at_once_are_served()
    {
        Deadline.Poll(() => CountConnections() == 0, "the connections of earlier tests are closed");
        Agent[] agents = [.. Enumerable.Range(0, 10).Select(_ => NewBusAgent(User.Root))];
        Opener[] all = [.. agents.SelectMany(agent => Enumerable.Range(0, 100).Select(_ => Connect(agent)))];
        Array.ForEach(all, opener => opener.Submit(Tpm2.GetRandom(8)));
        Assert.All(all, opener => opener.Read().Data.Succeeded());
        Assert.Equal(1000, CountConnections());
        Array.ForEach(agents, agent => agent.Kill());
        Deadline.Poll(() => CountConnections() == 0, "all connections are closed");
        AssertTpmEmpties();
    }

    [Fact]
    public void Ten_thousand_connections_one_after_the_other_leave_nothing()
    {
        Connect(User.Member).Agent.End();
        int before = Mount.Daemon.CountFiles();
        Agent[] agents = [.. Enumerable.Range(0, 4).Select(_ => NewBusAgent(User.Member))];
        Task<Reply>[] churns = Array.ConvertAll(agents, agent => agent.Begin("tcti_churn", "tabrmd", 2500));
        foreach (Task<Reply> churn in churns)
        {
            Assert.Equal((0, null), churn.Wait("10,000 connections", limit: Deadline.Client) is var reply
                ? (reply.Value, reply.Errno) : default);
        }

        Deadline.Poll(() => CountConnections() == 0, "all connections are closed");
        Deadline.Poll(
            () => Mount.Daemon.CountFiles() <= before, "no descriptor is left",
            () => $"{before}, then {Mount.Daemon.CountFiles()}");
    }

    /// <summary>
    /// Regression: the library that writes messages gave the bus up when the socket had no room for a descriptor, so
    /// that the calls of all users failed; and a call waited for all calls that another user had made before, 20 s.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_user_who_makes_very_many_calls_keeps_no_other_user_from_calling(bool isMember)
    {
        using ChildProcess flood = StartFlood(isMember ? User.Member : User.Outsider, descriptors: 0);
        Agent other = NewBusAgent(User.OtherMember);
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < 20; i++)
        {
            Reply opened = other.Begin("tcti_open", "tabrmd").Wait("a connection", limit: Deadline.Client);
            Assert.True(opened.Errno is null, Mount.Daemon.Describe());
            new Opener(other, (int)opened.Value).Transact(Tpm2.GetRandom(8)).Succeeded();
        }

        TimeSpan taken = clock.Elapsed;
        End(flood);
        Assert.InRange(taken, TimeSpan.Zero, TimeSpan.FromSeconds(60));
    }

    /// <summary>
    /// Regression: the descriptors that came with calls were the daemon's until the calls were answered. A stranger
    /// filled its table with them, it lost the bus, and neither came back.
    /// </summary>
    [Fact]
    public void Descriptors_that_come_with_calls_do_not_fill_the_daemon_s_table()
    {
        int before = Mount.Daemon.CountFiles();
        using ChildProcess flood = StartFlood(User.Outsider, descriptors: 16);
        Agent other = NewBusAgent(User.OtherMember);
        for (int i = 0; i < 20; i++)
        {
            Reply opened = other.Begin("tcti_open", "tabrmd").Wait("a connection", limit: Deadline.Client);
            Assert.True(opened.Errno is null, Mount.Daemon.Describe());
            Assert.InRange(Mount.Daemon.CountFiles(), 0, before + 100);
        }

        End(flood);
    }

    /// <summary>
    /// Regression: the daemon dropped the descriptors that a client sent beside its commands. Its threads waited for as
    /// long as the files behind them liked, and whoever revoked the client's openers waited with them: all users.
    /// </summary>
    /// <param name="areReceived">False to send them to a daemon that still waits for answers to be read.</param>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Descriptors_that_come_with_commands_hold_up_nobody(bool areReceived)
    {
        Opener node = Open();
        Opener other = Connect(User.OtherMember);
        Agent sender = NewBusAgent(User.Member);
        for (int i = 0; i < 3; i++)
        {
            Opener opener = Connect(sender);
            if (!areReceived)
            {
                opener.Call("tcti_flood", Convert.ToHexString(Tpm2.GetRandom(RandomBytes)));
            }

            // Linux 6.16 and newer refuses them.
            Assert.Contains(opener.Call("send_lingering").Errno, (string?[])[null, "EPERM"]);
        }

        other.Transact(Tpm2.GetRandom(8)).Succeeded();
        string[] ids = [.. Read(At("openers")).Split('\n').Select(line => line.Split(' '))
            .Where(words => words.Length > 2 && words[2] == $"{sender.Id}").Select(words => words[0])];
        Assert.All(ids, id => Write(At("revoke"), id));
        node.Transact(Tpm2.GetRandom(8)).Succeeded();
        other.Transact(Tpm2.GetRandom(8)).Succeeded();
        Connect(User.OtherMember).Transact(Tpm2.GetRandom(8)).Succeeded();
    }

    /// <summary>
    /// Regression, each by a user without any permission. Signals with descriptors made the bus drop its own answers,
    /// for which the daemon then waited for ever: nobody could call any more. Calls that want no answer, and programs
    /// that call, leave and come again, took memory without bound, 100 MB each second.
    /// </summary>
    /// <param name="kind">See busflood.py.</param>
    /// <param name="descriptors">The descriptors with each message.</param>
    [Theory]
    [InlineData("signals", 16)]
    [InlineData("unasked", 0)]
    [InlineData("leaving", 0)]
    public void Messages_that_the_bus_does_not_count_take_no_memory_and_keep_nobody_from_calling(
        string kind, int descriptors)
    {
        const int Most = 64 * 1024; // KiB
        long before = Mount.Daemon.PeakMemory();
        using ChildProcess flood = StartFlood(User.Outsider, descriptors, kind, connections: 8);
        Agent other = NewBusAgent(User.OtherMember);
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < 20 || clock.Elapsed < TimeSpan.FromSeconds(5); i++)
        {
            Reply opened = other.Begin("tcti_open", "tabrmd").Wait("a connection", limit: Deadline.Client);
            Assert.True(opened.Errno is null, Mount.Daemon.Describe());
            new Opener(other, (int)opened.Value).Transact(Tpm2.GetRandom(8)).Succeeded();
            Assert.InRange(Mount.Daemon.PeakMemory(), 0, before + Most);
        }

        End(flood);
    }

    private ChildProcess StartFlood(User user, int descriptors, string kind = "calls", int connections = 100)
    {
        string script = Path.Combine(Mount.Sandbox.Scripts, "clients", "busflood.py");
        string socket = Bus.Address["unix:path=".Length..];
        ChildProcess flood = Mount.Sandbox.Start(
            user, ["/usr/bin/python3", script, socket, $"{connections}", "100", $"{descriptors}", kind]);
        Deadline.Poll(
            () => flood.Printed.Contains('\n', StringComparison.Ordinal) || flood.HasExited, "a flood", flood.Describe,
            Deadline.Client);
        return flood;
    }

    private void End(ChildProcess flood)
    {
        Assert.False(flood.HasExited, flood.Describe());
        flood.Input.Close();
        flood.Wait().Succeeded();
        Assert.DoesNotContain("the bus is lost", Mount.Daemon.Printed, StringComparison.Ordinal);
    }

    private int CountConnections() =>
        Read(At("openers")).Split('\n').Count(line => line.EndsWith(" dbus", StringComparison.Ordinal));
}
