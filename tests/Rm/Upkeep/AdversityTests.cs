using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Upkeep;

/// <summary>A TPM that fails, refuses, lies, or is used by others behind the manager's back.</summary>
public sealed class AdversityTests
{
    private const uint Layer = 0x000B0000;
    private const uint CreatePrimaryCode = 0x131;
    private const uint ReadClockCode = 0x181;

    [Fact]
    public void A_tpm_in_failure_mode_is_told_to_who_asks_and_keeps_the_manager_busy_no_longer()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        rig.Settle();
        rig.Tpm.Faults.WarnAtRandom(1, seed: 1, Rc.Failure);
        opener.Send(Cmd.Sign(key, "text"));
        for (int i = 0; i < 100 && !opener.IsDone; i++)
        {
            rig.Manager.RunOne();
        }

        Assert.True(opener.IsDone);
        Assert.Equal(Layer | Rc.Failure, new Answer(opener.Response!).Code);
    }

    [Fact]
    public void A_gap_that_only_somebody_else_can_close_is_told_at_once()
    {
        using var rig = new Rig(new TpmParameters { ContextGap = 255, SessionSlots = 2 });
        rig.Tpm.Direct(Cmd.ContextSave(new Answer(rig.Tpm.Direct(Cmd.StartAuthSession(SessionType.Policy))).Handle));
        uint theirs = new Answer(rig.Tpm.Direct(Cmd.StartAuthSession(SessionType.Policy))).Handle;
        Answer saved = new(rig.Tpm.Direct(Cmd.ContextSave(theirs)));
        while (saved.IsSuccess)
        {
            theirs = new Answer(rig.Tpm.Direct(Cmd.ContextLoad(saved.Body))).Handle;
            saved = new(rig.Tpm.Direct(Cmd.ContextSave(theirs)));
        }

        Assert.Equal(Rc.ContextGap, rig.Open().Do(Cmd.StartAuthSession(SessionType.Policy)).Code);
        Assert.Equal(1, rig.Tpm.Log.Total);
    }

    [Fact]
    public void An_object_that_somebody_else_flushed_keeps_no_other_from_its_slot()
    {
        using var rig = new Rig();
        Opener first = rig.Open();
        Opener second = rig.Open();
        uint firstKey = first.NewKeys(1)[0];
        uint secondKey = second.NewKeys(1)[0];
        rig.Settle();
        first.Must(Cmd.Sign(firstKey, "text"));
        rig.Tpm.Direct(Cmd.FlushContext(Assert.Single(rig.Tpm.TransientHandles)));
        rig.Tpm.Log.Clear();
        second.Must(Cmd.Sign(secondKey, "text"));
        Assert.InRange(rig.Tpm.Log.Total, 2, 3);
        first.Must(Cmd.Sign(firstKey, "text"));
        Assert.Equal(2, rig.Tpm.TransientHandles.Count);
    }

    [Fact]
    public void A_session_whose_context_was_lost_with_the_link_does_not_stay_in_the_tpm()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint session = opener.NewSession(SessionType.Policy);
        rig.Tpm.Faults.Break(TransmitStatus.Disconnected, executed: true, command: Cmd.ContextSaveCode);
        rig.Settle();
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.PolicyGetDigest(session)).Code);
        rig.Settle();
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void A_session_that_was_loaded_when_the_link_broke_does_not_stay_in_the_tpm()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint session = opener.NewSession(SessionType.Policy);
        rig.Settle();
        rig.Tpm.Faults.Break(TransmitStatus.Disconnected, executed: true, command: Cmd.ContextLoadCode);
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.PolicyGetDigest(session)).Code);
        rig.Settle();
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void A_session_that_the_tpm_will_not_save_does_not_stay_in_the_tpm()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint session = opener.NewSession(SessionType.Policy);
        rig.Tpm.Faults.Warn(Rc.TooManyContexts, command: Cmd.ContextSaveCode);
        rig.Settle();
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.PolicyGetDigest(session)).Code);
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void An_object_that_the_tpm_will_not_save_does_not_stay_in_the_tpm()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        rig.Tpm.Faults.Warn(Rc.TooManyContexts, command: Cmd.ContextSaveCode);
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.Sign(key, "text")).Code);
    }

    [Fact]
    public void A_session_that_nobody_can_name_is_flushed_though_the_tpm_was_restarted_meanwhile()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.NewSession(SessionType.Policy);
        rig.Settle();
        opener.Close();
        rig.Tpm.Direct(Cmd.Shutdown(state: true));
        rig.Tpm.PowerCycle();
        rig.Settle();
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void A_handle_that_the_tpm_gives_again_is_the_new_session_s_alone()
    {
        using var rig = new Rig();
        Opener before = rig.Open();
        uint lost = before.NewSession(SessionType.Policy);
        rig.Tpm.Direct(Cmd.FlushContext(lost));
        rig.Tpm.Faults.Warn(Rc.Retry, command: ReadClockCode);
        Opener after = rig.Open(uid: 1001);
        uint session = after.NewSession(SessionType.Policy);
        Assert.Equal(lost, session);
        rig.Settle();
        before.Close();
        rig.Settle();
        after.Must(Cmd.PolicyGetDigest(session));
    }

    [Fact]
    public void A_session_that_ends_with_the_command_that_shows_a_reset_ends_once()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.NewKeys(1);
        rig.Tpm.Reset();
        uint session = opener.NewSession(SessionType.Hmac);
        byte[] hashSequenceStart = Cmd.HashSequenceStart(Hashes.Sha256);
        uint sequence =
            opener.Must(Cmd.Build(0x186, [], hashSequenceStart.AsSpan(10), new Auth(session, Auth.Audit))).Handle;
        Assert.Contains("back: Reset", rig.Log.Entries);
        opener.Must(Cmd.SequenceUpdate(sequence, "text"));
    }

    [Fact]
    public void A_tpm_that_is_not_ready_after_the_link_is_back_is_asked_again()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { FlushAtStart = true });
        Opener opener = rig.Open();
        rig.Tpm.Faults.Break(TransmitStatus.Disconnected, executed: true, command: CreatePrimaryCode);
        rig.Tpm.Faults.Warn(Rc.Testing, command: ReadClockCode);
        opener.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), "lost"));
        rig.Settle();
        Assert.Equal(SpaceFailure.TransportLost, opener.Failure);
        Assert.Empty(rig.Tpm.TransientHandles);
        Assert.Contains("back: Unchanged", rig.Log.Entries);
    }

    [Fact]
    public void A_tpm_whose_lists_never_end_is_refused()
    {
        using var tpm = new EndlessTpm();
        using var manager =
            new ResourceManager(tpm, new ResourceManagerOptions(), TimeProvider.System, new RecordingLog());
        Assert.False(manager.TryPrepare(out string problem));
        Assert.NotEmpty(problem);
    }

    /// <summary>Begins every list anew, and says that there is more of it.</summary>
    private sealed class EndlessTpm : ITpmTransport
    {
        private readonly SimulatedTpm _tpm = new();
        private int _left = 10_000;

        public TpmTransportFeatures Features => _tpm.Features;

        public bool TryConnect(TimeSpan timeout, out string problem) => _tpm.TryConnect(timeout, out problem);

        public TransmitResult Transmit(
            ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
        {
            Assert.True(_left-- > 0, "The manager does not stop asking.");
            byte[] asked = command.ToArray();
            bool isList = CommandLog.CodeOf(asked) == 0x17A;
            if (isList)
            {
                asked.AsSpan(14, 4).Clear();
            }

            TransmitResult result = _tpm.Transmit(asked, locality, response, timeout);
            response.Span[10] |= isList ? (byte)1 : (byte)0;
            return result;
        }

        public void Cancel() => _tpm.Cancel();

        public void Dispose() => _tpm.Dispose();
    }
}
