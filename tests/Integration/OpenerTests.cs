using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests;

/// <summary>
/// Tests the effects of descriptors, processes and signals on an opener, and of openers on each other.
/// </summary>
public sealed class OpenerTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    [Fact]
    public void An_opener_that_waits_for_a_long_command_holds_up_nobodys_system_call()
    {
        TpmHold hold = Mount.Proxy.Hold(TpmCc.CreatePrimary);
        Opener slow = Open();
        slow.Submit(Tpm2.CreatePrimary());
        Task<Reply> slowRead = slow.BeginRead();
        hold.WaitUntilHeld();
        slow.Agent.WaitUntilBlockedIn(slow.Descriptor);

        // Far more of them than the daemon has threads, each blocked in a read of its own process.
        (Opener Opener, Task<Reply> Read)[] queued = [.. Enumerable.Range(0, 20).Select(_ => Open()).Select(opener =>
        {
            opener.Submit(Tpm2.ReadClock());
            return (opener, opener.BeginRead());
        })];
        Opener another = Open("O_RDWR|O_NONBLOCK");
        another.Submit(Tpm2.ReadClock());
        Assert.Equal(Events.Writable, another.Poll());
        Assert.Equal("EAGAIN", another.Read().Errno);
        Mount.Sandbox.Shell($"ls -l {Mount.Daemon.MountPoint}");
        Assert.False(slowRead.IsCompleted);
        Assert.All(queued, one => Assert.False(one.Read.IsCompleted));

        hold.Release();
        slow.Agent.End(slowRead).Data.NewHandle();
        Assert.All(queued, one => one.Opener.Agent.End(one.Read).Data.Succeeded());
        Assert.Equal(Events.In, another.Poll(-1, Events.In));
        another.Read().Data.Succeeded();
    }

    [Fact]
    public void A_client_initialises_while_another_openers_command_takes_longer_than_its_probe_waits()
    {
        TpmHold hold = Mount.Proxy.Hold(TpmCc.CreatePrimary);
        Opener slow = Open();
        slow.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        using var release = new Timer(_ => hold.Release(), null, TimeSpan.FromSeconds(11), Timeout.InfiniteTimeSpan);

        // 48 bytes are more than any reserve for the probe of tcti-device has to give.
        using ChildProcess client = Mount.Sandbox.Start(
            User.Member, ["tpm2_getrandom", "--hex", "48"], Flow.Node(Mount.Node));
        Outcome outcome = client.Wait().Succeeded();
        Assert.Equal(96, outcome.Output.Trim().Length);
        Assert.Empty(outcome.Error);
        slow.Read().Data.NewHandle();
    }

    /// <summary>
    /// While one user kept the TPM busy, another user's programs initialised beside long commands 64 times, and then no
    /// more; beside a daemon that had just started, sooner.
    /// </summary>
    [Fact]
    public void A_user_s_programs_initialise_beside_long_commands_however_many_have_started_before()
    {
        Opener between = NewAgent(User.Member).Open(Mount.Node);
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < 40; i++)
            {
                between.Transact(Tpm2.GetRandom(48)).Succeeded();
            }

            TpmHold hold = Mount.Proxy.Hold(TpmCc.CreatePrimary);
            Opener slow = NewAgent(User.OtherMember).Open(Mount.Node);
            slow.Submit(Tpm2.CreatePrimary());
            hold.WaitUntilHeld();
            Agent user = NewAgent(User.Member);
            Opener[] programs = [.. Enumerable.Range(0, 40).Select(_ => user.Open(Mount.Node))];
            Array.ForEach(programs, program => program.Submit(Tpm2.GetRandom(8)));
            Deadline.Poll(
                () => programs.All(program => program.Poll(0, Events.In) == Events.In),
                $"what programs of round {round} ask first");
            hold.Release();
            slow.Read().Data.NewHandle();
        }
    }

    [Fact]
    public void A_duplicated_descriptor_is_the_same_opener()
    {
        Opener opener = Open();
        uint key = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        var twin = new Opener(opener.Agent, (int)opener.Call("dup").Value);
        opener.Submit(Tpm2.ReadPublic(key));
        twin.Read().Data.Succeeded();
        opener.Close();
        twin.Transact(Tpm2.ReadPublic(key)).Succeeded();
        twin.Close();
        Opener next = opener.Agent.Open(Mount.Node);
        Assert.Equal(0x910u, next.Transact(Tpm2.ReadPublic(key)).Code());
    }

    [Fact]
    public void A_forked_child_reads_its_parents_response()
    {
        Opener opener = Open();
        opener.Submit(Tpm2.GetRandom(8));
        Assert.Equal(20, opener.Call("fork_read", 4096).Data.Succeeded().Length);
        Assert.Empty(opener.Read().Data);
    }

    [Fact]
    public void A_signal_ends_the_wait_and_loses_nothing()
    {
        Opener opener = Open();
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        opener.Submit(Tpm2.ReadClock());
        hold.WaitUntilHeld();
        for (int i = 0; i < 3; i++)
        {
            Task<Reply> read = opener.BeginRead();
            opener.Agent.WaitUntilBlockedIn(opener.Descriptor);
            opener.Agent.Send(Signals.User1);
            Assert.Equal("EINTR", opener.Agent.End(read).Errno);
            Assert.Equal("EBUSY", opener.Write(Tpm2.GetRandom(8)).Errno);
        }

        hold.Release();
        opener.Read().Data.Succeeded();
        Assert.Empty(opener.Read().Data);
    }

    [Fact]
    public void A_signal_while_the_command_is_queued_loses_nothing()
    {
        TpmHold hold = Mount.Proxy.Hold(TpmCc.CreatePrimary);
        Opener slow = Open();
        slow.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        Opener opener = Open();
        opener.Submit(Tpm2.ReadClock());
        Task<Reply> read = opener.BeginRead();
        opener.Agent.WaitUntilBlockedIn(opener.Descriptor);
        opener.Agent.Send(Signals.User1);
        Assert.Equal("EINTR", opener.Agent.End(read).Errno);
        hold.Release();
        opener.Read().Data.Succeeded();
        slow.Read().Data.NewHandle();
    }

    [Fact]
    public void Closing_in_the_middle_of_a_command_waits_for_nothing_and_leaves_nothing()
    {
        TpmHold hold = Mount.Proxy.Hold(TpmCc.CreatePrimary);
        Opener opener = Open();
        opener.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        opener.Close();
        Opener next = opener.Agent.Open(Mount.Node);
        next.Submit(Tpm2.ReadClock());
        hold.Release();
        next.Read().Data.Succeeded();
        AssertTpmEmpties();
        Assert.Empty(next.Transact(Tpm2.ListHandles(Tpm2.TransientFirst)).HandleList());
    }

    [Fact]
    public void The_descriptor_of_a_process_that_is_stopped_holds_up_nobody()
    {
        Opener stopped = Open();
        stopped.Submit(Tpm2.CreatePrimary());
        stopped.Agent.Send(Signals.Stop);
        Open().Transact(Tpm2.ReadClock()).Succeeded();
        stopped.Agent.Send(Signals.Continue);
        stopped.Read().Data.NewHandle();
    }
}
