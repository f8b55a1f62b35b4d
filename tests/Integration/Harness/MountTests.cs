using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>
/// Tests that share a mount. After each of them nothing of its openers is left in the TPM, and the daemon lives; a
/// failed one shows what the daemon printed meanwhile.
/// </summary>
public abstract class MountTests : IClassFixture<Mount>, IDisposable
{
    private readonly ITestOutputHelper _output;
    private readonly int _printedBefore;
    private readonly List<IDisposable> _clients = [];

    protected MountTests(Mount mount, ITestOutputHelper output)
    {
        Mount = mount;
        _output = output;
        _printedBefore = mount.Daemon.Printed.Length;
    }

    private protected Mount Mount { get; }

    public void Dispose()
    {
        _output.WriteLine(Mount.Daemon.Printed[_printedBefore..]);
        Mount.Proxy.ReleaseAll();
        _clients.ForEach(client => client.Dispose());
        Assert.False(Mount.Daemon.HasExited, "The daemon has exited.");
        AssertTpmEmpties();
        GC.SuppressFinalize(this);
    }

    /// <summary>A client process of its own.</summary>
    private protected Agent NewAgent(User? user = null, params string[] container) =>
        EndWithTest(new Agent(Mount.Sandbox, user, container));

    /// <summary>Has a client process end with the test, however the test ends.</summary>
    private protected T EndWithTest<T>(T client)
        where T : IDisposable
    {
        _clients.Add(client);
        return client;
    }

    /// <summary>Opens the node in a process of its own.</summary>
    private protected Opener Open(string flags = "O_RDWR", User? user = null) => NewAgent(user).Open(Mount.Node, flags);

    /// <summary>
    /// The TPM comes to hold no object and no session, loaded or saved: closes are worked off in the background.
    /// </summary>
    private protected void AssertTpmEmpties() =>
        Deadline.Poll(
            () => TpmContents.Of(Mount.Proxy).IsEmpty, "an empty TPM", () => TpmContents.Of(Mount.Proxy).ToString());
}
