using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>A bus that is not there yet, that has the name for another program, that goes and comes again.</summary>
public sealed class BusRestartTests
{
    [Fact]
    public void Connections_outlive_the_bus_and_new_ones_come_with_it()
    {
        using var mount = new BusMount();
        Opener opener = BusTests.Connect(new Agent(mount.Sandbox, User.Member, mount.MessageBus.Words));
        using Agent agent = opener.Agent;
        uint key = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        // GLib ends a program that loses the system bus, unless that is not its first connection
        mount.MessageBus.Kill();
        AssertPrinted(mount.Daemon, "is not served any more, because the bus is lost");
        using var byNode = new Agent(mount.Sandbox);
        byNode.Open(mount.Node).Transact(Tpm2.GetRandom(8)).Succeeded();
        mount.MessageBus.Restart();
        mount.MessageBus.WaitForOwner(BusMount.Name);
        Opener next = BusTests.Connect(new Agent(mount.Sandbox, User.Member, mount.MessageBus.Words));
        using Agent nextAgent = next.Agent;
        next.Transact(Tpm2.GetRandom(8)).Succeeded();
        GC.KeepAlive(key);
    }

    [Fact]
    public void A_bus_that_is_not_there_is_waited_for()
    {
        using var sandbox = new Sandbox();
        using var tpm = new SoftwareTpm(sandbox, "tpm");
        using var bus = new MessageBus(sandbox, "bus");
        bus.Kill();
        using Daemon daemon = Start(sandbox, bus, tpm.Socket);
        AssertPrinted(daemon, $"{BusMount.Name} on the system bus is not served");
        using var byNode = new Agent(sandbox);
        byNode.Open(daemon.Node).Transact(Tpm2.GetRandom(8)).Succeeded();
        byNode.End();
        bus.Restart();
        bus.WaitForOwner(BusMount.Name);
        daemon.Stop();
    }

    [Fact]
    public void A_name_that_another_program_has_is_taken_when_that_program_ends()
    {
        using var sandbox = new Sandbox();
        using var tpm = new SoftwareTpm(sandbox, "tpm");
        using var other = new SoftwareTpm(sandbox, "other");
        using var bus = new MessageBus(sandbox, "bus");
        using ChildProcess abrmd = RealTabrmd.Start(sandbox, bus, other);
        using Daemon daemon = Start(sandbox, bus, tpm.Socket);
        AssertPrinted(daemon, "because another program has that name");
        abrmd.Send(Signals.Term);
        abrmd.Wait();
        AssertPrinted(daemon, $"{BusMount.Name} on the system bus is served");
        daemon.Stop();
    }

    [Fact]
    public void A_daemon_that_stops_ends_its_connections_and_gives_the_name_back()
    {
        using var sandbox = new Sandbox();
        using var tpm = new SoftwareTpm(sandbox, "tpm");
        using var bus = new MessageBus(sandbox, "bus");
        using var proxy = new TpmProxy(sandbox, tpm);
        TpmHold hold = proxy.Hold(TpmCc.CreatePrimary, canBeGivenUp: true);
        using Daemon daemon = Start(sandbox, bus, proxy.Socket);
        bus.WaitForOwner(BusMount.Name);
        using var agent = new Agent(sandbox, User.Root, bus.Words);
        Opener idle = BusTests.Connect(agent);
        Opener busy = BusTests.Connect(agent);
        busy.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        daemon.Stop();
        Assert.Empty(idle.Read().Data);
        Assert.Empty(busy.Read().Data);
        Assert.Equal("ECONNREFUSED", agent.Call("tcti_open", "tabrmd").Errno);
    }

    private static Daemon Start(Sandbox sandbox, MessageBus bus, string socket) => Daemon.Through(
        sandbox, bus.Words, $"swtpm:path={socket}", sandbox.MakeFolder("mnt"), "--dbus", "system");

    private static void AssertPrinted(Daemon daemon, string text) => Deadline.Poll(
        () => daemon.Printed.Contains(text, StringComparison.Ordinal), text, () => daemon.Printed);
}
