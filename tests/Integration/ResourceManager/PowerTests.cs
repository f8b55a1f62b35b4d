using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>
/// TPM Resume, Restart and Reset (Part 1, 12.2.3) of a real TPM below openers that stay open: each loses what the
/// specification says and nothing else, whether the firmware has started the TPM again or TpmFs finds it down.
/// </summary>
public sealed class PowerTests : MountTests, IClassFixture<BusyMount>
{
    /// <summary>
    /// TPM_RC_INTEGRITY for the first parameter: the TPM itself refuses a context from before the reset.
    /// </summary>
    private const uint Integrity = 0x1DF;

    private readonly Opener _opener;
    private readonly PrimaryKey _awayKey;
    private readonly PrimaryKey _awayStClearKey;
    private readonly PrimaryKey _residentKey;
    private readonly uint _awaySession;
    private readonly uint _residentSession;
    private readonly byte[] _savedSession;

    /// <summary>
    /// A key, a key with stClear, a policy session and a session saved by its client, all away from the TPM; a key and
    /// a session in it.
    /// </summary>
    public PowerTests(BusyMount mount, ITestOutputHelper output)
        : base(mount, output)
    {
        _opener = Open();
        _awayKey = PrimaryKey.Create(_opener, "away");
        _awayStClearKey = PrimaryKey.Create(_opener, "away, stClear", PrimaryKey.StClear);
        _savedSession = _opener.Transact(
            Tpm2.ContextSave(_opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())).Succeeded();
        _awaySession = _opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        uint[] others = [.. Enumerable.Range(0, 2).Select(_ => _opener.Transact(Tpm2.HashSequenceStart()).NewHandle())];
        uint[] otherSessions = [.. Enumerable.Range(0, 2)
            .Select(_ => _opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())];
        _residentKey = PrimaryKey.Create(_opener, "resident");
        _residentSession = _opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        Array.ForEach([.. others, .. otherSessions], other => _opener.Transact(Tpm2.FlushContext(other)).Succeeded());
        var contents = TpmContents.Of(Mount.Proxy);
        Assert.True(
            contents is { Objects.Count: 1, LoadedSessions.Count: 1, SavedSessions.Count: 2 }, contents.ToString());
    }

    [Fact]
    public void A_resume_loses_only_what_was_in_the_tpm()
    {
        Mount.Proxy.Transact(SwtpmPower.Shutdown(state: true)).Succeeded();
        SwtpmPower.PowerCycle(Mount.Tpm);
        Mount.Proxy.Transact(SwtpmPower.Startup(state: true)).Succeeded();
        Assert.False(_residentKey.Lives());
        Assert.False(Lives(_residentSession));
        AssertAwayLives();
        Assert.True(_awayStClearKey.Lives());
        AssertNewWorkSucceeds();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_restart_loses_what_was_in_the_tpm_and_stclear_objects(bool startedByFirmware)
    {
        Mount.Proxy.Transact(SwtpmPower.Shutdown(state: true)).Succeeded();
        SwtpmPower.PowerCycle(Mount.Tpm);
        StartByFirmware(startedByFirmware);
        Assert.False(_residentKey.Lives());
        Assert.False(Lives(_residentSession));
        Assert.False(_awayStClearKey.Lives());
        AssertAwayLives();
        AssertNewWorkSucceeds();
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, false)]
    public void A_reset_loses_everything(bool startedByFirmware, bool inOrder)
    {
        if (inOrder)
        {
            Mount.Proxy.Transact(SwtpmPower.Shutdown(state: false)).Succeeded();
        }

        SwtpmPower.PowerCycle(Mount.Tpm);
        StartByFirmware(startedByFirmware);
        Assert.False(_awayKey.Lives());
        Assert.False(_awayStClearKey.Lives());
        Assert.False(_residentKey.Lives());
        Assert.False(Lives(_awaySession));
        Assert.False(Lives(_residentSession));
        Assert.Equal(Integrity, _opener.Transact(Tpm2.ContextLoad(_savedSession)).Code());
        AssertNewWorkSucceeds();
    }

    /// <summary>
    /// A client's TPM2_Shutdown(STATE) finds everything saved, so a resume after it loses nothing at all.
    /// </summary>
    [Fact]
    public void A_shutdown_through_the_node_saves_everything_and_a_resume_then_loses_nothing()
    {
        _opener.Transact(SwtpmPower.Shutdown(state: true)).Succeeded();
        SwtpmPower.PowerCycle(Mount.Tpm);
        Mount.Proxy.Transact(SwtpmPower.Startup(state: true)).Succeeded();
        Assert.True(_residentKey.Lives());
        Assert.True(Lives(_residentSession));
        Assert.True(_awayStClearKey.Lives());
        AssertAwayLives();
        AssertNewWorkSucceeds();
    }

    private void AssertAwayLives()
    {
        Assert.True(_awayKey.Lives());
        Assert.True(Lives(_awaySession));
        Assert.True(Lives(_opener.Transact(Tpm2.ContextLoad(_savedSession)).NewHandle()));
    }

    private void AssertNewWorkSucceeds()
    {
        Assert.True(PrimaryKey.Create(_opener, "new").Lives());
        Assert.True(Lives(_opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle()));
        Assert.True(PrimaryKey.Create(Open(user: User.Member), "new").Lives());
    }

    private void StartByFirmware(bool startedByFirmware)
    {
        if (startedByFirmware)
        {
            Mount.Proxy.Transact(SwtpmPower.Startup(state: false)).Succeeded();
        }
    }

    /// <summary>True when the opener still has a policy session. Throws when anything else went wrong.</summary>
    private bool Lives(uint session)
    {
        byte[] response = _opener.Transact(Tpm2.PolicyGetDigest(session));
        Assert.Contains(response.Code(), (uint[])[0, 0x910]);
        return response.Code() == 0;
    }
}
