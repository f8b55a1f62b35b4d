using TpmFs.Rm.Tests.Harness;
using TpmFs.Rm.Tests.Sessions;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Upkeep;

/// <summary>
/// The machine's sleep: before it everything is saved, during it nothing is sent, after it what the TPM kept goes on.
/// </summary>
public sealed class SleepTests : IDisposable
{
    private readonly Rig _rig = new();
    private readonly Opener _opener;
    private readonly uint _key;
    private readonly uint _session;
    private int _saved;

    public SleepTests()
    {
        _opener = _rig.Open();
        _key = _opener.NewKeys(1)[0];
        _session = _opener.NewSession(SessionType.Policy);
    }

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void Before_it_everything_is_saved_and_nothing_is_sent_until_after_it()
    {
        Suspend();
        Assert.Equal(1, _saved);
        Assert.Empty(_rig.Tpm.TransientHandles);
        Assert.Empty(_rig.Tpm.LoadedSessions);
        Assert.Single(_rig.Tpm.SavedSessions);

        _rig.Tpm.Log.Clear();
        Opener other = _rig.Open(uid: 2);
        _opener.Send(Cmd.Sign(_key, "text"));
        Assert.Equal(Rc.Retry, new Answer(_opener.Response!).Code);
        other.SendLending(Cmd.GetRandom(8));
        Assert.Equal(Rc.Retry, new Answer(other.Response!).Code);
        other.Close();
        _rig.Pass(TimeSpan.FromMinutes(10));
        Assert.Empty(_rig.Tpm.Log.Codes);

        _rig.Manager.Resume();
        _opener.Must(Cmd.Sign(_key, "text"));
        _opener.Must(Cmd.PolicyGetDigest(_session));
        Assert.DoesNotContain(
            _rig.Log.Entries,
            entry => entry.StartsWith("lost", StringComparison.Ordinal)
                || entry.StartsWith("back", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("resume", true, true)]
    [InlineData("restart", true, true)]
    [InlineData("reset", false, false)]
    [InlineData("power cycle", false, false)]
    public void What_the_TPM_has_kept_over_it_goes_on_and_what_not_is_gone(
        string what, bool keyLives, bool sessionLives)
    {
        Suspend();
        Action happen = what switch
        {
            "resume" => _rig.Tpm.Resume,
            "restart" => _rig.Tpm.Restart,
            "reset" => _rig.Tpm.Reset,
            _ => _rig.Tpm.PowerCycle,
        };
        happen();
        _rig.Manager.Resume();
        Assert.Equal(keyLives ? 0 : Rc.ReferenceH0, _opener.Do(Cmd.Sign(_key, "text")).Code);
        Assert.Equal(sessionLives ? 0 : Rc.ReferenceH0, _opener.Do(Cmd.PolicyGetDigest(_session)).Code);
        Assert.Equal(1, _rig.Log.Entries.Count(entry => entry.StartsWith("back", StringComparison.Ordinal)));
        _opener.Must(Cmd.Sign(_opener.NewKeys(1)[0], "text"));
    }

    [Fact]
    public void A_stclear_key_is_gone_after_a_restart_that_was_slept_through()
    {
        uint stClear = _opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(1 << 2), "st")).Handle;
        Suspend();
        _rig.Tpm.Restart();
        _rig.Manager.Resume();
        Assert.Equal(Rc.ReferenceH0, _opener.Do(Cmd.Sign(stClear, "text")).Code);
        _opener.Must(Cmd.Sign(_key, "text"));
    }

    [Fact]
    public void A_TPM_that_puts_saving_off_is_asked_again()
    {
        _rig.Tpm.Faults.Warn(Rc.Retry, times: 3, command: Cmd.ContextSaveCode);
        _rig.Manager.Suspend(() => _saved++);
        _rig.Run();
        Assert.Equal(0, _saved);
        _rig.Pass(TimeSpan.FromSeconds(1));
        Assert.Equal(1, _saved);
        Assert.Empty(_rig.Tpm.TransientHandles);
    }

    [Fact]
    public void An_object_that_the_TPM_refuses_to_save_does_not_keep_the_others_in_it()
    {
        _opener.NewKeys(2);
        _rig.Tpm.Faults.Warn(Rc.Value, command: Cmd.ContextSaveCode);
        Suspend();
        Assert.Equal(1, _saved);
        Assert.Empty(_rig.Tpm.TransientHandles);
        Assert.Empty(_rig.Tpm.LoadedSessions);
        Assert.Single(_rig.Tpm.SavedSessions);
    }

    [Fact]
    public void A_gap_that_somebody_else_opened_does_not_keep_a_session_in_the_TPM()
    {
        using var rig = new Rig(new TpmParameters { ContextGap = SessionGapTests.Gap });
        Opener opener = rig.Open();
        uint oldest = opener.NewSession(SessionType.Policy);
        rig.Settle();
        uint loaded = opener.NewSession(SessionType.Policy);
        SessionGapTests.OpenGap(rig);
        rig.Manager.Suspend(() => _saved++);
        rig.Run();
        Assert.Equal(1, _saved);
        Assert.Empty(rig.Tpm.LoadedSessions);
        rig.Manager.Resume();
        opener.Must(Cmd.PolicyGetDigest(oldest));
        opener.Must(Cmd.PolicyGetDigest(loaded));
    }

    [Fact]
    public void A_TPM_that_is_lost_holds_nobody_up()
    {
        _rig.Tpm.Faults.Break(Tpm.TransmitStatus.Disconnected, executed: false);
        _rig.Tpm.IsReachable = false;
        _opener.Send(Cmd.GetRandom(8));
        _rig.Run();
        Suspend();
        Assert.Equal(1, _saved);
        _rig.Tpm.IsReachable = true;
        _rig.Manager.Resume();
        _opener.Must(Cmd.Sign(_key, "text"));
    }

    [Fact]
    public void A_waiting_client_gets_its_command_back_wherever_the_command_waits()
    {
        Opener queued = _rig.Open(uid: 2), parked = _rig.Open(uid: 3);
        _rig.Tpm.Faults.Warn(Rc.Retry, times: 100, command: 0x17B);
        parked.Send(Cmd.GetRandom(33));
        _rig.Run();
        queued.Send(Cmd.ReadPublic(_key));
        _rig.Manager.Suspend(() => _saved++);
        Assert.Equal(Rc.Retry, new Answer(queued.Response!).Code);
        Assert.Equal(Rc.Retry, new Answer(parked.Response!).Code);
    }

    [Fact]
    public void A_command_that_the_TPM_puts_off_at_that_moment_is_given_back_too()
    {
        _rig.Tpm.Latency = code => code == 0x17B ? TimeSpan.FromMilliseconds(1) : TimeSpan.Zero;
        _rig.Tpm.Wait = _ =>
        {
            _rig.Manager.Suspend(() => _saved++);
            _rig.Tpm.Cancel(); // which is not the opener's: the command is to be tried again
        };
        _opener.Send(Cmd.GetRandom(33));
        _rig.Run();
        Assert.Equal(Rc.Retry, new Answer(_opener.Response!).Code);
        Assert.Equal(1, _saved);
    }

    [Fact]
    public void A_sleep_that_ends_before_it_has_begun_changes_nothing_and_the_next_one_is_told()
    {
        _rig.Manager.Suspend(() => _saved += 100);
        _rig.Manager.Resume();
        Suspend();
        Assert.Equal(1, _saved);
        _rig.Manager.Resume();
        _rig.Manager.Suspend(() => _saved++); // before the manager has seen the resume
        _rig.Run();
        Assert.Equal(2, _saved);
        _rig.Manager.Resume();
        _opener.Must(Cmd.Sign(_key, "text"));
    }

    [Fact]
    public void A_raw_command_is_given_back_too()
    {
        Assert.True(_rig.Manager.TryOpenRaw(_opener.Owner, _opener, out Space? raw));
        Suspend();
        _rig.Tpm.Log.Clear();
        Assert.True(raw.TrySubmit(Cmd.GetRandom(8)));
        Assert.Equal(Rc.Retry, new Answer(_opener.Response!).Code);
        _rig.Manager.Resume();
        Assert.True(raw.TrySubmit(Cmd.GetRandom(8)));
        _rig.Settle();
        Assert.Equal(0u, new Answer(_opener.Response!).Code);
    }

    private void Suspend()
    {
        _rig.Manager.Suspend(() => _saved++);
        _rig.Run();
    }
}
