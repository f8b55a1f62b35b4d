using TpmFs.Rm.Ledger;
using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Ledger;

/// <summary>One manager is thrown away, and another one goes on with what it wrote down.</summary>
public sealed class SnapshotTests
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
    public void A_snapshot_of_what_a_snapshot_gave_is_the_same()
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

        byte[] first = rig.Manager.WriteSnapshot();
        Assert.True(
            SnapshotReader.TryRead(
                first, rig.Time, (id, name) => new SchedulingGroup(id, name, new SpaceLimits()), out TpmLedger ledger,
                out ProfileState profile, out string problem),
            problem);
        Assert.Equal(first, new SnapshotWriter(rig.Time).Write(ledger, profile));
    }

    [Fact]
    public void What_was_left_to_flush_is_flushed()
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

    [Fact]
    public void What_belongs_to_an_opener_that_does_not_go_on_is_flushed()
    {
        using var rig = new Rig();
        Opener gone = rig.Open();
        gone.NewKeys(2);
        gone.NewSession(SessionType.Hmac);
        byte[] snapshot = rig.Manager.WriteSnapshot();
        Assert.NotEmpty(rig.Tpm.TransientHandles);

        gone.Close();
        rig.ReplaceManager(snapshot);
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void What_belongs_to_a_domain_that_is_gone_is_flushed_saved_sessions_too()
    {
        using var rig = new Rig();
        Opener opener = rig.Open("web");
        opener.Must(Cmd.ContextSave(opener.NewSession(SessionType.Hmac)));
        opener.NewSession(SessionType.Hmac);
        opener.NewKeys(1);
        opener.Close();
        byte[] snapshot = rig.Manager.WriteSnapshot();

        rig.Forget("web");
        rig.ReplaceManager(snapshot);
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
    public void What_the_tpm_made_and_nobody_recorded_is_flushed()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { FlushAtStart = true });
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        byte[] snapshot = rig.Manager.WriteSnapshot();
        opener.NewKeys(1);
        opener.NewSession(SessionType.Hmac);

        rig.ReplaceManager(snapshot);
        Assert.Single(rig.Tpm.TransientHandles);
        Assert.Equal(0, rig.Tpm.ActiveSessions);
        opener.Must(Cmd.ReadPublic(key));
    }

    [Fact]
    public void What_the_tpm_flushed_and_nobody_recorded_is_gone()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        uint session = opener.NewSession(SessionType.Hmac);
        byte[] snapshot = rig.Manager.WriteSnapshot();
        opener.Must(Cmd.FlushContext(key));
        opener.Must(Cmd.FlushContext(session));

        rig.ReplaceManager(snapshot);
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
        byte[] snapshot = rig.Manager.WriteSnapshot();
        rig.Time.Advance(TimeSpan.FromHours(1));
        rig.Tpm.PowerCycle();

        rig.ReplaceManager(snapshot);
        Assert.Contains("back: Reset", rig.Log.Entries);
        Assert.False(opener.Do(Cmd.ReadPublic(key)).IsSuccess);
    }

    [Fact]
    public void Another_format_and_another_file_are_told_from_a_damaged_one()
    {
        using var rig = new Rig();
        byte[] snapshot = rig.Manager.WriteSnapshot();
        snapshot[11]++;
        Assert.Equal("it has format 2, but this program reads format 1", Problem(rig, snapshot));
        Assert.Equal("it is not a snapshot of a resource manager", Problem(rig, new byte[100]));
        Assert.Equal("it is damaged", Problem(rig, rig.Manager.WriteSnapshot()[..^1]));
    }

    /// <summary>Whatever the bytes are, they are read or refused.</summary>
    [Fact]
    public void Bytes_that_were_changed_are_read_or_refused()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.NewKeys(3);
        opener.Must(Cmd.ContextSave(opener.NewSession(SessionType.Hmac)));
        opener.NewSession(SessionType.Policy);
        byte[] whole = rig.Manager.WriteSnapshot();
        var random = new Random(1);
        int refused = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] changed = whole.ToArray();
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                changed[random.Next(changed.Length)] = (byte)random.Next(256);
            }

            changed = random.Next(4) == 0 ? changed[..random.Next(changed.Length)] : changed;
            refused += Problem(rig, changed).Length > 0 ? 1 : 0;
        }

        Assert.InRange(refused, 1000, 19_999);
    }

    private static string Problem(Rig rig, byte[] snapshot)
    {
        bool isRead = ManagerSnapshot.TryRead(
            snapshot, rig.Time, (id, name) => new SchedulingGroup(id, name, new SpaceLimits()),
            out ManagerSnapshot? read, out string problem);
        Assert.Equal(isRead, read is not null && problem.Length == 0);
        return problem;
    }
}
