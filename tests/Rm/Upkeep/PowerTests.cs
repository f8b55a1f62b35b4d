using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Upkeep;

/// <summary>
/// TPM Reset, Restart and Resume, cleared and disabled hierarchies, and a lost link: each loses what the specification
/// says, no more.
/// </summary>
public sealed class PowerTests
{
    private const uint StClear = 1 << 2;

    /// <summary>
    /// An opener with an idle key, an idle stClear key, a key in use, an idle session, a saved session and a session in
    /// use.
    /// </summary>
    private sealed class Scene : IDisposable
    {
        public Scene()
        {
            Opener = Rig.Open();
            IdleKey = Opener.NewKeys(1)[0];
            StClearKey = Opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(StClear), "st")).Handle;
            IdleSession = Opener.NewSession(SessionType.Policy);
            SavedSession = Opener.Must(Cmd.ContextSave(Opener.NewSession(SessionType.Policy))).Body;
            Signature = Opener.Must(Cmd.Sign(IdleKey, "text")).Body;
            Rig.Settle();
            UsedKey = Opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), "used")).Handle;
            UsedSession = Opener.NewSession(SessionType.Policy);
        }

        public Rig Rig { get; } = new();
        public Opener Opener { get; }
        public uint IdleKey { get; }
        public uint StClearKey { get; }
        public uint UsedKey { get; }
        public uint IdleSession { get; }
        public uint UsedSession { get; }
        public byte[] SavedSession { get; }
        public byte[] Signature { get; }

        public bool Lives(uint key) => Opener.Do(Cmd.Sign(key, "text")) is var answer && answer.IsSuccess
            ? true
            : answer.Code == (Rc.ReferenceH0)
                ? false : throw new InvalidOperationException($"0x{answer.Code:X}");

        public bool LivesSession(uint session) =>
            Opener.Do(Cmd.PolicyGetDigest(session)) is var answer && answer.IsSuccess
            ? true
            : answer.Code == (Rc.ReferenceH0)
                ? false : throw new InvalidOperationException($"0x{answer.Code:X}");

        public bool LoadsSaved() => Opener.Do(Cmd.ContextLoad(SavedSession)).IsSuccess;

        public void Dispose() => Rig.Dispose();
    }

    [Fact]
    public void A_reset_loses_everything_and_new_work_succeeds_without_a_reopen()
    {
        using var scene = new Scene();
        scene.Rig.Tpm.PowerCycle();
        Assert.False(scene.Lives(scene.UsedKey));
        Assert.False(scene.Lives(scene.IdleKey));
        Assert.False(scene.Lives(scene.StClearKey));
        Assert.False(scene.LivesSession(scene.UsedSession));
        Assert.False(scene.LivesSession(scene.IdleSession));
        Assert.False(scene.LoadsSaved());
        Assert.Contains("back: Reset", scene.Rig.Log.Entries);
        Assert.True(scene.Lives(scene.Opener.NewKeys(1)[0]));
        scene.Opener.NewSession(SessionType.Policy);
    }

    [Fact]
    public void A_reset_that_the_firmware_saw_through_is_noticed_by_what_is_missing()
    {
        using var scene = new Scene();
        scene.Rig.Tpm.Reset();
        Assert.False(scene.Lives(scene.UsedKey));
        Assert.False(scene.Lives(scene.IdleKey));
        Assert.False(scene.LivesSession(scene.IdleSession));
        Assert.False(scene.LoadsSaved());
        Assert.Contains("back: Reset", scene.Rig.Log.Entries);
        Assert.True(scene.Lives(scene.Opener.NewKeys(1)[0]));
    }

    [Fact]
    public void An_object_made_after_a_reset_that_is_noticed_late_lives_on()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint stale = opener.NewKeys(2)[1];
        uint staleSession = opener.NewSession(SessionType.Hmac);
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        rig.Tpm.Reset();
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        Opener newcomer = rig.Open(uid: 2);
        uint session = newcomer.NewSession(SessionType.Hmac);
        newcomer.Must(Cmd.GetRandom(8, Auth.AuditSession(session)));
        uint key = newcomer.NewKeys(1)[0];
        byte[] signature = newcomer.Must(Cmd.Sign(key, "text", Auth.Password(), Auth.AuditSession(session))).Body;
        rig.Settle();
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.Sign(stale, "text")).Code);
        Assert.Equal(Rc.ReferenceS0, opener.Do(Cmd.GetRandom(8, Auth.AuditSession(staleSession))).Code);
        newcomer.Must(Cmd.Sign(key, "text", Auth.Password(), Auth.AuditSession(session)));
        Assert.NotEmpty(signature);
        opener.Close();
        newcomer.Close();
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void A_reset_is_noticed_at_a_context_too()
    {
        using var scene = new Scene();
        scene.Rig.Settle();
        scene.Rig.Tpm.Reset();
        Assert.False(scene.Lives(scene.IdleKey));
        Assert.False(scene.LivesSession(scene.IdleSession));
        Assert.Contains("back: Reset", scene.Rig.Log.Entries);
    }

    [Fact]
    public void A_restart_loses_what_was_loaded_and_stclear_objects()
    {
        using var scene = new Scene();
        scene.Rig.Tpm.Restart();
        Assert.False(scene.Lives(scene.UsedKey));
        Assert.False(scene.LivesSession(scene.UsedSession));
        Assert.False(scene.Lives(scene.StClearKey));
        Assert.True(scene.Lives(scene.IdleKey));
        Assert.Equal(scene.Signature, scene.Opener.Must(Cmd.Sign(scene.IdleKey, "text")).Body);
        Assert.True(scene.LivesSession(scene.IdleSession));
        Assert.True(scene.LoadsSaved());
    }

    [Fact]
    public void A_resume_loses_only_what_was_loaded()
    {
        using var scene = new Scene();
        scene.Rig.Tpm.Resume();
        Assert.False(scene.Lives(scene.UsedKey));
        Assert.False(scene.LivesSession(scene.UsedSession));
        Assert.True(scene.Lives(scene.StClearKey));
        Assert.True(scene.Lives(scene.IdleKey));
        Assert.True(scene.LivesSession(scene.IdleSession));
        Assert.True(scene.LoadsSaved());
    }

    [Fact]
    public void A_shutdown_saves_everything_first_and_nothing_disturbs_it_afterwards()
    {
        using var scene = new Scene();
        scene.Opener.Must(Cmd.Shutdown(state: true));
        Assert.Equal(0x145u, scene.Rig.Tpm.Log.Codes[^1]);
        Opener closing = scene.Rig.Open();
        closing.Close();
        scene.Rig.Pass(TimeSpan.FromMinutes(1));
        Assert.Equal(0x145u, scene.Rig.Tpm.Log.Codes[^1]);
        scene.Rig.Tpm.PowerCycle();
        Assert.Equal(Rc.Success, new Answer(scene.Rig.Tpm.Direct(Cmd.Startup(state: true))).Code);
        Assert.True(scene.Lives(scene.UsedKey));
        Assert.True(scene.Lives(scene.IdleKey));
        Assert.True(scene.LivesSession(scene.UsedSession));
        Assert.True(scene.LoadsSaved());
    }

    [Fact]
    public void A_client_s_startup_is_answered_by_the_tpm()
    {
        using var scene = new Scene();
        Assert.Equal(Rc.Initialize, scene.Opener.Do(Cmd.Startup()).Code);
        scene.Rig.Tpm.PowerCycle();
        Assert.Equal(Rc.Success, scene.Opener.Do(Cmd.Startup()).Code);
        Assert.False(scene.Lives(scene.UsedKey));
        Assert.False(scene.Lives(scene.IdleKey));
    }

    [Fact]
    public void Clear_takes_owner_and_endorsement_objects_resident_or_not()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] keys = [.. new uint[] { Handles.Owner, Handles.Endorsement, Handles.Platform, Handles.Null }
            .Select(hierarchy => opener.Must(Cmd.CreatePrimary(hierarchy, Templates.Signing())).Handle)];
        Opener other = rig.Open();
        uint resident = other.NewKeys(1)[0];
        uint sequence = other.Must(Cmd.HashSequenceStart(Hashes.Sha256)).Handle;
        opener.Must(Cmd.Clear());
        uint gone = Rc.ReferenceH0;
        Assert.Equal([gone, gone, 0u, 0u], keys.Select(key => opener.Do(Cmd.Sign(key, "text")).Code));
        Assert.Equal(gone, other.Do(Cmd.Sign(resident, "text")).Code);
        other.Must(Cmd.SequenceUpdate(sequence, "text"));
        other.Must(Cmd.Sign(other.NewKeys(1)[0], "text"));
        rig.Settle();
        rig.Tpm.PowerCycle();
        Assert.Equal(gone, opener.Do(Cmd.Sign(keys[3], "text")).Code);
        Assert.Contains("back: Reset", rig.Log.Entries);
    }

    [Fact]
    public void A_hierarchy_that_was_disabled_gives_no_object_back_when_it_is_enabled()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint owned = opener.NewKeys(1)[0];
        uint other = opener.Must(Cmd.CreatePrimary(Handles.Null, Templates.Signing())).Handle;
        rig.Settle();
        uint resident = opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), "resident")).Handle;
        opener.Must(Cmd.HierarchyControl(Handles.Owner, Handles.Owner, enable: false));
        opener.Must(Cmd.HierarchyControl(Handles.Platform, Handles.Owner, enable: true));
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.Sign(owned, "text")).Code);
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.Sign(resident, "text")).Code);
        opener.Must(Cmd.Sign(other, "text"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_lost_link_fails_what_was_under_way_and_keeps_the_rest(bool executed)
    {
        using var scene = new Scene();
        scene.Rig.Tpm.Faults.Break(TransmitStatus.Disconnected, executed);
        scene.Opener.Send(Cmd.Sign(scene.UsedKey, "text"));
        scene.Rig.Settle();
        Assert.Equal(SpaceFailure.TransportLost, scene.Opener.Failure);
        Assert.True(scene.Lives(scene.UsedKey));
        Assert.True(scene.Lives(scene.IdleKey));
        Assert.True(scene.LivesSession(scene.UsedSession));
        Assert.Contains(scene.Rig.Log.Entries, entry => entry.StartsWith("lost", StringComparison.Ordinal));
    }

    [Fact]
    public void An_object_that_the_lost_command_had_made_is_flushed_where_the_tpm_is_ours_alone()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { FlushAtStart = true });
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        rig.Tpm.Faults.Break(TransmitStatus.Disconnected, executed: true);
        opener.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), "lost"));
        rig.Run();
        opener.Must(Cmd.Sign(key, "text"));
        Assert.Single(rig.Tpm.TransientHandles);
    }

    [Fact]
    public void A_tpm_that_dies_and_comes_back_empty_serves_its_openers_again()
    {
        using var scene = new Scene();
        scene.Rig.Tpm.Faults.Break(TransmitStatus.Disconnected, executed: false, then: scene.Rig.Tpm.PowerCycle);
        scene.Rig.Tpm.IsReachable = false;
        scene.Opener.Send(Cmd.GetRandom(8));
        scene.Rig.Pass(TimeSpan.FromSeconds(1));
        Assert.Equal(SpaceFailure.TransportLost, scene.Opener.Failure);
        scene.Opener.Send(Cmd.GetRandom(8));
        scene.Rig.Pass(TimeSpan.FromSeconds(3));
        Assert.False(scene.Opener.IsDone);
        scene.Rig.Tpm.IsReachable = true;
        scene.Rig.Pass(TimeSpan.FromSeconds(3));
        Assert.NotNull(scene.Opener.Response);
        Assert.False(scene.Lives(scene.IdleKey));
        Assert.True(scene.Lives(scene.Opener.NewKeys(1)[0]));
    }

    [Fact]
    public void Commands_do_not_wait_for_ever_for_a_tpm_that_stays_away()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { ReconnectPatience = TimeSpan.FromSeconds(5) });
        Opener opener = rig.Open();
        rig.Tpm.IsReachable = false;
        rig.Tpm.Faults.Break(TransmitStatus.Disconnected, executed: false);
        opener.Send(Cmd.GetRandom(8));
        rig.Run();
        Assert.Equal(SpaceFailure.TransportLost, opener.Failure);
        opener.Send(Cmd.GetRandom(8));
        rig.Pass(TimeSpan.FromSeconds(4));
        Assert.False(opener.IsDone);
        rig.Pass(TimeSpan.FromSeconds(4));
        Assert.Equal(SpaceFailure.TransportLost, opener.Failure);
    }

    [Fact]
    public void A_link_lost_on_the_way_to_a_command_does_not_fail_it()
    {
        using var scene = new Scene();
        scene.Rig.Settle();
        scene.Rig.Tpm.Faults.Break(TransmitStatus.Disconnected, executed: false, command: Cmd.ContextLoadCode);
        Assert.True(scene.Lives(scene.IdleKey));
    }

    [Fact]
    public void Objects_that_an_earlier_daemon_left_are_flushed_at_the_start_when_the_tpm_is_ours_alone()
    {
        using var tpm = new SimulatedTpm();
        tpm.TryConnect(TimeSpan.Zero, out _);
        tpm.Direct(Cmd.Startup());
        tpm.Direct(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        tpm.Direct(Cmd.ContextSave(new Answer(tpm.Direct(Cmd.StartAuthSession(SessionType.Hmac))).Handle));
        tpm.Direct(Cmd.StartAuthSession(SessionType.Policy));
        using var manager = new ResourceManager(
            tpm, new ResourceManagerOptions { FlushAtStart = true }, TimeProvider.System, new RecordingLog());
        Assert.True(manager.TryPrepare(out string problem), problem);
        Assert.Empty(tpm.TransientHandles);
        Assert.Equal(0, tpm.ActiveSessions);
    }

    [Fact]
    public void A_shutdown_that_was_refused_stops_nothing()
    {
        using var rig = new Rig();
        rig.Group("root").Denied = new HashSet<TpmCc> { TpmCc.Shutdown };
        Opener opener = rig.Open();
        opener.NewKeys(1);
        Assert.False(opener.Do(Cmd.Shutdown()).IsSuccess);
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
    }
}
