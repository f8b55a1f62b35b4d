using TpmFs.Mirror;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Tests.Ledger;

/// <summary>One manager is thrown away, and another one goes on with its mirror.</summary>
public sealed class MirrorTests
{
    [Fact]
    public void Objects_and_sessions_keep_their_handles()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] keys = opener.NewKeys(5);
        uint session = opener.NewSession(SessionType.Policy);
        byte[] before = opener.Must(Cmd.ReadPublic(keys[0])).Bytes;

        rig.ReplaceManager();
        Assert.Equal(before, opener.Must(Cmd.ReadPublic(keys[0])).Bytes);
        Assert.All(keys, key => opener.Must(Cmd.Sign(key, "text", Auth.Password())));
        opener.Must(Cmd.PolicyGetDigest(session));
        Assert.DoesNotContain(opener.NewKeys(1)[0], keys);
    }

    [Fact]
    public void An_opener_without_a_command_goes_on_with_an_id_of_its_own()
    {
        using var rig = new Rig();
        rig.Open();
        Opener second = rig.Open();
        uint key = second.NewKeys(1)[0];
        rig.ReplaceManager();
        Assert.Equal(0x910u, rig.Open().Do(Cmd.ReadPublic(key)).Code);
        second.Must(Cmd.ReadPublic(key));
    }

    [Fact]
    public void The_next_manager_reads_all_that_the_last_one_held()
    {
        using var rig = new Rig();
        Opener opener = rig.Open("web", uid: 5, locality: 3);
        opener.NewKeys(5);
        opener.Must(Cmd.HashSequenceStart(0x000B));
        opener.Must(Cmd.ContextSave(opener.NewSession(SessionType.Policy)));
        opener.NewSession(SessionType.Hmac);
        rig.Settle();
        Opener gone = rig.Open();
        gone.NewSession(SessionType.Hmac);
        gone.NewKeys(1);
        gone.Close();
        Assert.True(rig.Manager.RunOne());
        rig.AssertMirrored();
    }

    [Fact]
    public void Handles_that_were_left_to_flush_are_flushed()
    {
        using var rig = new Rig();
        Opener gone = rig.Open();
        gone.NewKeys(2);
        gone.NewSession(SessionType.Hmac);
        gone.Close();
        Assert.True(rig.Manager.RunOne());
        Assert.NotEmpty(rig.Tpm.TransientHandles);

        rig.ReplaceManager();
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    /// <summary>
    /// Regression: the record of such a session named its opener's space, which was closed by then, so that the next
    /// manager found the ledger damaged and dropped what all openers held.
    /// </summary>
    [Fact]
    public void A_session_that_is_still_to_be_flushed_when_its_opener_has_closed_costs_others_nothing()
    {
        using var rig = new Rig();
        rig.Group("root").Limits.SavedSessionsMax = 1;
        Opener other = rig.Open();
        uint key = other.NewKeys(1)[0];
        Opener many = rig.Open();
        Assert.All(Enumerable.Range(0, 4), _ => many.NewSession(SessionType.Policy));
        Opener saving = rig.Open();
        uint[] sessions = [saving.NewSession(SessionType.Policy), saving.NewSession(SessionType.Policy)];
        saving.Must(Cmd.ContextSave(sessions[0]));
        many.Close(); // Its sessions are flushed first.
        Assert.True(rig.Manager.RunOne());
        saving.Send(Cmd.ContextSave(sessions[1])); // which ends the session that was saved before
        Assert.True(rig.Manager.RunOne());
        saving.Close();
        Assert.True(rig.Manager.RunOne());
        Assert.NotEmpty(rig.Mirror.Ledger.Sessions.Doomed);

        rig.AssertMirrored();
        rig.ReplaceManager();
        other.Must(Cmd.ReadPublic(key));
        rig.Settle();
        Assert.Equal(1, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void Objects_and_sessions_of_an_opener_that_does_not_go_on_are_flushed()
    {
        using var rig = new Rig();
        Opener gone = rig.Open();
        gone.NewKeys(2);
        gone.NewSession(SessionType.Hmac);
        byte[] image = rig.Image();
        Assert.NotEmpty(rig.Tpm.TransientHandles);

        gone.Close();
        rig.ReplaceManager(image);
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void Sessions_of_a_domain_that_is_gone_are_flushed_saved_ones_too()
    {
        using var rig = new Rig();
        Opener opener = rig.Open("web");
        opener.Must(Cmd.ContextSave(opener.NewSession(SessionType.Hmac)));
        opener.NewSession(SessionType.Hmac);
        opener.NewKeys(1);
        opener.Close();
        byte[] image = rig.Image();

        rig.Forget("web");
        rig.ReplaceManager(image);
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void A_saved_session_is_loaded_with_the_context_that_its_client_has()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        Answer saved = opener.Must(Cmd.ContextSave(opener.NewSession(SessionType.Policy)));
        rig.ReplaceManager();
        uint session = rig.Open().Must(Cmd.ContextLoad(saved.Body)).Handle;
        Assert.Equal(0x03u, session >> 24);
        Assert.False(opener.Do(Cmd.ContextLoad(saved.Body)).IsSuccess);
    }

    [Fact]
    public void An_exclusive_audit_session_stays_exclusive()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint session = opener.NewSession(SessionType.Hmac);
        opener.Must(Cmd.GetRandom(8, Auth.AuditSession(session)));
        rig.Tpm.Log.Clear();
        rig.ReplaceManager();
        Assert.Empty(rig.Tpm.Log.Commands);
    }

    /// <summary>
    /// The last manager ended after it had sent a command, and before it had recorded what came of it.
    /// </summary>
    [Fact]
    public void An_object_that_the_tpm_made_and_nobody_recorded_is_flushed()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { FlushAtStart = true });
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        byte[] image = rig.Image();
        opener.NewKeys(1);
        opener.NewSession(SessionType.Hmac);

        rig.ReplaceManager(image);
        Assert.Single(rig.Tpm.TransientHandles);
        Assert.Equal(0, rig.Tpm.ActiveSessions);
        opener.Must(Cmd.ReadPublic(key));
    }

    [Fact]
    public void An_object_that_the_tpm_flushed_and_nobody_recorded_is_gone()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        uint session = opener.NewSession(SessionType.Hmac);
        byte[] image = rig.Image();
        opener.Must(Cmd.FlushContext(key));
        opener.Must(Cmd.FlushContext(session));

        rig.ReplaceManager(image);
        Assert.Equal(0x910u, opener.Do(Cmd.ReadPublic(key)).Code);
        Assert.False(opener.Do(Cmd.PolicyGetDigest(session)).IsSuccess);
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
    }

    [Fact]
    public void A_tpm_that_was_reset_meanwhile_is_noticed()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        byte[] image = rig.Image();
        rig.Time.Advance(TimeSpan.FromHours(1));
        rig.Tpm.PowerCycle();

        rig.ReplaceManager(image);
        Assert.Contains("back: Reset", rig.Log.Entries);
        Assert.False(opener.Do(Cmd.ReadPublic(key)).IsSuccess);
    }

    /// <summary>
    /// Regression: an object whose index was that of a session to be flushed made the ledger forget the session, which
    /// then stayed in the TPM for ever.
    /// </summary>
    [Fact]
    public void An_object_s_handle_is_no_session_s_whatever_its_index()
    {
        var ledger = new TpmLedger(new ManualTime());
        ledger.Sessions.Doom(new TpmHandle(0x0200_0001), Owners.New(uid: 1000));
        ledger.Sessions.Vacate(new TpmHandle(0x8000_0001));
        Assert.NotEmpty(ledger.Sessions.Doomed);
        ledger.Sessions.Vacate(new TpmHandle(0x0300_0001));
        Assert.Empty(ledger.Sessions.Doomed);
    }

    /// <summary>Whatever the bytes are, they are read or refused, and a manager starts.</summary>
    [Fact]
    public void Bytes_that_were_changed_are_read_or_refused()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.NewKeys(3);
        opener.Must(Cmd.ContextSave(opener.NewSession(SessionType.Hmac)));
        opener.NewSession(SessionType.Policy);
        byte[] whole = rig.Image();
        int[] written = [.. Enumerable.Range(0, whole.Length).Where(at => whole[at] != 0)];
        var random = new Random(1);
        int refused = 0;
        for (int i = 0; i < 3000; i++)
        {
            byte[] changed = (byte[])whole.Clone();
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                changed[written[random.Next(written.Length)]] = (byte)random.Next(256);
            }

            bool isRead = RecordStore.TryAdopt(changed, ManagerMirror.Format, out RecordStore? store, out _)
                & (store is not null && ManagerMirror.TryOpen(store, rig.Time, out ManagerMirror? _, out _));
            refused += isRead ? 0 : 1;
        }

        Assert.InRange(refused, 100, 2999);
    }
}
