using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests;

/// <summary>poll(2) and epoll(7) on the managed node: exactly what clients compare with.</summary>
public sealed class PollTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    [Fact]
    public void An_idle_opener_is_writable_and_not_readable()
    {
        Opener opener = Open();
        Assert.Equal(Events.Writable, opener.Poll());
        Assert.Equal(Events.Out, opener.Poll(events: Events.In | Events.Out));
        Assert.Equal(0, opener.Poll(timeout: 50, events: Events.In));
    }

    [Fact]
    public void Poll_does_not_wait_for_a_command_that_runs()
    {
        Opener opener = Open();
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        opener.Submit(Tpm2.ReadClock());
        hold.WaitUntilHeld();
        Assert.Equal(Events.Writable, opener.Poll());
        Assert.Equal(0, opener.Poll(timeout: 50, events: Events.In));
        hold.Release();
        opener.Read().Data.Succeeded();
    }

    [Fact]
    public void A_response_makes_the_opener_readable_and_not_writable_until_all_of_it_is_read()
    {
        Opener opener = Open();
        opener.Submit(Tpm2.GetRandom(8));
        Assert.Equal(Events.In, opener.Poll(-1, Events.In));
        Assert.Equal(Events.Readable, opener.Poll());
        Assert.Equal(10, opener.Read(10).Data.Length);
        Assert.Equal(Events.Readable, opener.Poll());
        Assert.Equal(10, opener.Read().Data.Length);
        Assert.Equal(Events.Writable, opener.Poll());
    }

    [Fact]
    public void A_waiting_poll_wakes_when_the_response_is_ready()
    {
        Opener opener = Open("O_RDWR|O_NONBLOCK");
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        opener.Submit(Tpm2.ReadClock());
        Task<Reply> poll = opener.Begin("poll", Events.In, -1);
        hold.WaitUntilHeld();
        Assert.False(poll.IsCompleted);
        hold.Release();
        Assert.Equal(Events.In, opener.Agent.End(poll).Value);
        opener.Read().Data.Succeeded();
    }

    [Fact]
    public void Epoll_reports_a_response_until_it_is_read()
    {
        Opener opener = Open("O_RDWR|O_NONBLOCK");
        long epoll = opener.Agent.Call("epoll_create").Value;
        opener.Agent.Call("epoll_add", epoll, opener.Descriptor, Events.In);
        for (int i = 0; i < 3; i++)
        {
            opener.Submit(Tpm2.GetRandom(8));
            Assert.Equal(Events.In, opener.Agent.Call("epoll_wait", epoll, 30_000).Value);
            Assert.Equal(Events.In, opener.Agent.Call("epoll_wait", epoll, 30_000).Value);
            opener.Read().Data.Succeeded();
            Assert.Equal(0, opener.Agent.Call("epoll_wait", epoll, 0).Value);
        }
    }

    [Fact]
    public void Edge_triggered_epoll_reports_each_response_once()
    {
        Opener opener = Open("O_RDWR|O_NONBLOCK");
        long epoll = opener.Agent.Call("epoll_create").Value;
        opener.Agent.Call("epoll_add", epoll, opener.Descriptor, Events.In | Events.EdgeTriggered);
        for (int i = 0; i < 3; i++)
        {
            TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
            opener.Submit(Tpm2.ReadClock());
            Task<Reply> wait = opener.Agent.Begin("epoll_wait", epoll, 30_000);
            hold.WaitUntilHeld();
            Assert.False(wait.IsCompleted);
            hold.Release();
            Assert.Equal(Events.In, opener.Agent.End(wait).Value);
            Assert.Equal(0, opener.Agent.Call("epoll_wait", epoll, 50).Value);
            opener.Read().Data.Succeeded();
        }
    }
}
