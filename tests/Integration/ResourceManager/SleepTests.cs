using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>
/// The machine's sleep as a system-sleep hook tells of it, on a real TPM: between 'tpmfs suspend' and 'tpmfs resume'
/// the kernel shuts the TPM down, the power goes, and the firmware starts the TPM in one of three ways.
/// </summary>
public sealed class SleepTests : MountTests, IClassFixture<BusyMount>
{
    private const uint Retry = 0x922; // TPM_RC_RETRY

    private readonly Opener _opener;
    private readonly PrimaryKey _key;
    private readonly PrimaryKey _stClearKey;
    private readonly uint _session;

    /// <summary>All of it in the TPM when the machine is told to sleep.</summary>
    public SleepTests(BusyMount mount, ITestOutputHelper output)
        : base(mount, output)
    {
        _opener = Open();
        _key = PrimaryKey.Create(_opener, "key");
        _stClearKey = PrimaryKey.Create(_opener, "stClear", PrimaryKey.StClear);
        _session = _opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
    }

    [Theory]
    [InlineData("resume", true, true, true)]
    [InlineData("restart", true, false, true)]
    [InlineData("reset", false, false, false)]
    public void What_still_loads_after_it_goes_on_and_nothing_else(
        string how, bool keyLives, bool stClearLives, bool sessionsLive)
    {
        byte[] saved = _opener.Transact(
            Tpm2.ContextSave(_opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())).Succeeded();
        Tpmfs("suspend").Succeeded();
        var contents = TpmContents.Of(Mount.Proxy);
        Assert.True(
            contents is { Objects.Count: 0, LoadedSessions.Count: 0, SavedSessions.Count: 2 }, contents.ToString());
        Mount.Proxy.Transact(SwtpmPower.Shutdown(state: how != "reset")).Succeeded();
        SwtpmPower.PowerCycle(Mount.Tpm);
        Mount.Proxy.Transact(SwtpmPower.Startup(state: how == "resume")).Succeeded();
        Tpmfs("resume").Succeeded();

        Assert.Equal(keyLives, _key.Lives());
        Assert.Equal(stClearLives, _stClearKey.Lives());
        Assert.Equal(sessionsLive ? 0 : 0x910u, _opener.Transact(Tpm2.PolicyGetDigest(_session)).Code());
        Assert.Equal(sessionsLive, _opener.Transact(Tpm2.ContextLoad(saved)).Code() == 0);
        Assert.True(PrimaryKey.Create(_opener, "new").Lives());
    }

    [Fact]
    public void While_it_lasts_nothing_reaches_the_TPM_and_nobody_is_kept_waiting()
    {
        Opener blocking = Open(), polling = Open("O_RDWR|O_NONBLOCK"), late = Open();
        TpmHold hold = Mount.Proxy.Hold(TpmCc.GetRandom);
        _opener.Submit(Tpm2.GetRandom(33));
        hold.WaitUntilHeld();
        blocking.Submit(Tpm2.ReadClock());
        Task<Reply> waits = blocking.BeginRead();
        blocking.Agent.WaitUntilBlockedIn(blocking.Descriptor);
        polling.Submit(Tpm2.ReadClock());
        Task<Reply> polls = polling.Begin("poll", Events.In, 30_000);
        polling.Agent.WaitUntilPolling();

        using ChildProcess suspend =
            Mount.Sandbox.Start(User.Root, [Mount.Sandbox.Program, "suspend", "--mount", Mount.Daemon.MountPoint]);
        Assert.Equal(Retry, blocking.Agent.End(waits).Data.Code());
        Assert.Equal(Events.In, polling.Agent.End(polls).Value);
        Assert.Equal(Retry, polling.Read().Data.Code());
        Assert.False(suspend.HasExited);
        hold.Release();
        suspend.Wait().Succeeded();
        _opener.Read().Data.Succeeded(); // what ran was let end

        int before = Mount.Proxy.Commands.Count;
        Assert.Equal(Retry, late.Transact(Tpm2.ReadClock()).Code());
        Assert.Equal(before, Mount.Proxy.Commands.Count);
        Assert.Equal("suspended\n", Mount.Sandbox.Shell($"cat {Mount.Daemon.MountPoint}/power"));

        Tpmfs("resume").Succeeded();
        polling.Submit(Tpm2.ReadClock());
        Assert.Equal(Events.In, polling.Poll(timeout: 10_000, events: Events.In));
        polling.Read().Data.Succeeded();
        late.Transact(Tpm2.ReadClock()).Succeeded();
        Assert.Equal("awake\n", Mount.Sandbox.Shell($"cat {Mount.Daemon.MountPoint}/power"));
    }

    [Fact]
    public void It_is_roots_to_say()
    {
        Assert.Equal(
            "EACCES",
            NewAgent(User.Member).Call("open", Path.Combine(Mount.Daemon.MountPoint, "power"), "O_WRONLY").Errno);
        Assert.NotEqual(
            0, Mount.Sandbox.Run(
                User.Member, Mount.Sandbox.Program, "suspend", "--mount", Mount.Daemon.MountPoint).ExitCode);
        Assert.True(_key.Lives());
    }

    private Outcome Tpmfs(string command) =>
        Mount.Sandbox.Run(User.Root, Mount.Sandbox.Program, command, "--mount", Mount.Daemon.MountPoint);
}
