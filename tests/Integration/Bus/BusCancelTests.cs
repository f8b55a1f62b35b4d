using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>Cancel, and waiting for an answer with poll(2) and epoll(7).</summary>
public sealed class BusCancelTests(BusMount mount, ITestOutputHelper output) : BusTests(mount, output)
{
    private const uint Cancelled = 0x909;
    private const uint NothingToCancel = 0x000B_0007; // TSS2_RESMGR_RC_LAYER, TSS2_BASE_RC_BAD_SEQUENCE

    [Fact]
    public void A_command_that_the_tpm_carries_out_is_given_up()
    {
        TpmHold hold = Mount.Proxy.Hold(TpmCc.CreatePrimary, canBeGivenUp: true);
        Opener opener = Connect(User.Member);
        Transmit(opener, Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        Cancel(opener);
        Assert.Equal(Cancelled, Receive(opener).Code());
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
    }

    [Fact]
    public void A_command_that_waits_is_given_up_and_the_one_that_runs_is_not()
    {
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock, canBeGivenUp: true);
        Opener running = Connect(User.Member);
        Transmit(running, Tpm2.ReadClock());
        hold.WaitUntilHeld();
        Opener waiting = Connect(running.Agent);
        Transmit(waiting, Tpm2.CreatePrimary());
        Cancel(waiting);
        Assert.Equal(Cancelled, Receive(waiting).Code());
        Assert.Equal(0, running.Poll(events: Events.In));
        hold.Release();
        Receive(running).Succeeded();
    }

    [Fact]
    public void Without_a_command_under_way_there_is_nothing_to_cancel()
    {
        Opener opener = Connect(User.Member);
        Transmit(opener, Tpm2.GetRandom(8));
        Assert.Equal(Events.In, opener.Poll(-1, Events.In));
        Assert.Equal(NothingToCancel, opener.Call("tcti_cancel").Value);
        opener.Read().Data.Succeeded();
    }

    [Fact]
    public void An_event_loop_serves_several_connections_by_their_poll_handles()
    {
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock, canBeGivenUp: true);
        Agent agent = NewBusAgent(User.Member);
        Opener slow = Connect(agent);
        Opener fast = Connect(agent);
        long epoll = agent.Call("epoll_create").Value;
        agent.Call("epoll_add", epoll, slow.Descriptor, Events.In);
        agent.Call("epoll_add", epoll, fast.Descriptor, Events.In);
        Transmit(slow, Tpm2.ReadClock());
        hold.WaitUntilHeld();
        Assert.Equal(0, agent.Call("epoll_wait", epoll, 0).Value);
        Transmit(fast, Tpm2.GetRandom(8));
        Assert.Equal(0, slow.Poll(events: Events.In));
        hold.Release();
        Assert.Equal(Events.In, slow.Poll(-1, Events.In));
        Receive(slow).Succeeded();
        Assert.Equal(Events.In, agent.Call("epoll_wait", epoll, -1).Value);
        Receive(fast).Succeeded();
    }

    private static void Transmit(Opener opener, byte[] command) =>
        Assert.Equal(0, opener.Call("tcti_transmit", Convert.ToHexString(command)).Value);

    private static void Cancel(Opener opener) => Assert.Equal(0, opener.Call("tcti_cancel").Value);

    private static byte[] Receive(Opener opener)
    {
        Reply received = opener.Call("tcti_receive", -1);
        Assert.Equal((0, null), (received.Value, received.Errno));
        return received.Data;
    }
}
