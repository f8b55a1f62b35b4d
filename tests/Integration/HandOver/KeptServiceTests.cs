using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.HandOver;

/// <summary>
/// Tests of a daemon that a service manager starts again. When they are over, the TPM comes to hold nothing.
/// </summary>
public abstract class KeptServiceTests : IDisposable
{
    private readonly List<IDisposable> _parts = [];

    protected KeptServiceTests()
    {
        Sandbox = Own(new Sandbox());
        Tpm = Own(new SoftwareTpm(Sandbox, "tpm"));
        Proxy = Own(new TpmProxy(Sandbox, Tpm));
    }

    private protected Sandbox Sandbox { get; }

    private protected SoftwareTpm Tpm { get; }

    private protected TpmProxy Proxy { get; }

    public void Dispose()
    {
        _parts.Reverse();
        _parts.ForEach(part => part.Dispose());
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts the service. It ends with the test.</summary>
    private protected KeptService StartService() => Own(new KeptService(
        Sandbox, $"swtpm:path={Proxy.Socket}", Sandbox.MakeFolder("mnt")));

    /// <summary>Starts a service whose processes die as <see cref="KeptService.DieAtWrite"/> says.</summary>
    /// <param name="more">More words of the command line.</param>
    private protected KeptService StartDyingService(params string[] more) => Own(new KeptService(
        Sandbox, $"swtpm:path={Proxy.Socket}", Sandbox.MakeFolder("mnt"), program: Sandbox.ProgramWithKillSwitch,
        more: more));

    /// <summary>Opens the node in a process of its own, which ends with the test.</summary>
    private protected Opener Open(string path, User? user = null) => Own(new Agent(Sandbox, user)).Open(path);

    /// <summary>Has something end with the test.</summary>
    private protected T Own<T>(T part)
        where T : IDisposable
    {
        _parts.Add(part);
        return part;
    }

    private protected void AssertTpmEmpties(KeptService service) => Deadline.Poll(
        () => TpmContents.Of(Proxy).IsEmpty, "a TPM that holds nothing",
        () => $"{TpmContents.Of(Proxy)}\n{service.Describe()}");
}
