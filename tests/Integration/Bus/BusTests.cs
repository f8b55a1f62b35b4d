using TpmFs.Integration.Tests.Harness;
using TpmFs.Integration.Tests.Tree;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>Tests of clients that come by the bus, with the library that Debian has for tpm2-abrmd.</summary>
public abstract class BusTests(BusMount mount, ITestOutputHelper output)
    : TreeTests(mount, output), IClassFixture<BusMount>
{
    private protected MessageBus Bus => mount.MessageBus;

    /// <summary>A client process that takes the test's bus for the system's.</summary>
    private protected Agent NewBusAgent(User? user = null) => NewAgent(user, Bus.Words);

    /// <summary>Makes a connection in a process of its own.</summary>
    private protected Opener Connect(User? user = null) => Connect(NewBusAgent(user));

    /// <summary>Makes a connection.</summary>
    internal static Opener Connect(Agent agent)
    {
        Reply opened = agent.Call("tcti_open", "tabrmd");
        Assert.Null(opened.Errno);
        return new Opener(agent, (int)opened.Value);
    }

    /// <summary>The environment in which the TSS's tools reach tpm2-abrmd, or what is in its place.</summary>
    internal static Dictionary<string, string> Tabrmd(MessageBus bus) => new()
    {
        ["DBUS_SYSTEM_BUS_ADDRESS"] = bus.Address,
        ["TPM2TOOLS_TCTI"] = "tabrmd:",
    };
}
