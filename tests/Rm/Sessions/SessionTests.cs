using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Sessions;

/// <summary>
/// Sessions: saved and loaded across openers, kept from growing too old, and what happens when the TPM has none left.
/// </summary>
public sealed class SessionTests
{
    private const uint Layer = 0x000B0000;
    private static readonly uint s_notLoadable = Rc.Handle.P(1);

    [Fact]
    public void A_session_used_again_and_again_costs_one_command_each()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint session = opener.NewSession(SessionType.Policy);
        rig.Tpm.Log.Clear();
        for (int i = 0; i < 100; i++)
        {
            opener.Must(Cmd.PolicyGetDigest(session));
        }

        Assert.Equal(100, rig.Tpm.Log.Total);
    }

    [Fact]
    public void Sixteen_sessions_share_three_slots_and_keep_their_state()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] sessions = [.. Enumerable.Range(0, 16).Select(_ => opener.NewSession(SessionType.Policy))];
        for (int i = 0; i < 16; i++)
        {
            opener.Must(Cmd.PolicyPcr(sessions[i], i));
        }

        string[] digests = [.. sessions.Select(
            session => Convert.ToHexString(opener.Must(Cmd.PolicyGetDigest(session)).Body))];
        Assert.Equal(16, digests.Distinct().Count());
        Assert.Equal(Layer | Rc.SessionMemory, opener.Do(Cmd.StartAuthSession(SessionType.Policy)).Code);
    }

    [Fact]
    public void A_saved_session_is_used_by_one_process_after_the_other()
    {
        using var rig = new Rig();
        byte[] file = SaveNew(rig.Open());
        for (int i = 0; i < 10; i++)
        {
            Opener process = rig.Open();
            uint session = process.Must(Cmd.ContextLoad(file)).Handle;
            process.Must(Cmd.PolicyCommandCode(session, Cmd.GetRandomCode));
            file = process.Must(Cmd.ContextSave(session)).Body;
            process.Close();
            rig.Settle();
        }
    }

    [Theory]
    [InlineData("root", 1001u, (byte)0)]
    [InlineData("other", 1000u, (byte)0)]
    [InlineData("root", 1000u, (byte)1)]
    public void A_saved_session_is_refused_to_another_user_domain_or_locality(string group, uint uid, byte locality)
    {
        using var rig = new Rig();
        byte[] file = SaveNew(rig.Open());
        rig.Tpm.Log.Clear();
        Opener stranger = rig.Open(group, uid, locality);
        Assert.Equal(s_notLoadable, stranger.Do(Cmd.ContextLoad(file)).Code);
        Assert.Equal(0, rig.Tpm.Log.Count(Cmd.ContextLoadCode));
        rig.Open().Must(Cmd.ContextLoad(file));
    }

    [Fact]
    public void A_group_that_ends_leaves_no_saved_session_in_the_tpm_and_takes_no_others()
    {
        using var rig = new Rig();
        byte[] kept = SaveNew(rig.Open());
        Opener leaver = rig.Open("web");
        SaveNew(leaver);
        leaver.NewSession(SessionType.Policy);
        leaver.Close();
        rig.Manager.EndGroup(rig.Group("web"));
        rig.Settle();
        Assert.Equal(1, rig.Tpm.ActiveSessions);
        rig.Open().Must(Cmd.ContextLoad(kept));
    }

    [Fact]
    public void A_stale_or_loaded_context_is_refused_without_the_tpm()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        byte[] file = SaveNew(opener);
        uint session = opener.Must(Cmd.ContextLoad(file)).Handle;
        Assert.Equal(s_notLoadable, opener.Do(Cmd.ContextLoad(file)).Code);
        byte[] newer = opener.Must(Cmd.ContextSave(session)).Body;
        Assert.Equal(s_notLoadable, opener.Do(Cmd.ContextLoad(file)).Code);
        opener.Must(Cmd.ContextLoad(newer));
    }

    [Fact]
    public void A_session_that_its_client_saved_is_usable_by_nobody_until_it_is_loaded()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint session = opener.NewSession(SessionType.Policy);
        byte[] file = opener.Must(Cmd.ContextSave(session)).Body;
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.PolicyGetDigest(session)).Code);
        Assert.Equal(Rc.ReferenceS0, opener.Do(Cmd.GetRandom(8, Auth.AuditSession(session))).Code);
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.ContextSave(session)).Code);
        opener.Must(Cmd.ContextLoad(file));
        opener.Must(Cmd.PolicyGetDigest(session));
    }

    [Fact]
    public void A_session_that_was_saved_already_is_saved_for_its_client_without_the_tpm()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint session = opener.NewSession(SessionType.Policy);
        opener.Must(Cmd.PolicyCommandCode(session, Cmd.GetRandomCode));
        byte[] digest = opener.Must(Cmd.PolicyGetDigest(session)).Body;
        rig.Settle();
        rig.Tpm.Log.Clear();
        byte[] file = opener.Must(Cmd.ContextSave(session)).Body;
        Assert.Equal(0, rig.Tpm.Log.Total);
        opener.Close();
        Opener next = rig.Open();
        Assert.Equal(digest, next.Must(Cmd.PolicyGetDigest(next.Must(Cmd.ContextLoad(file)).Handle)).Body);
    }

    [Fact]
    public void Sessions_of_a_closed_opener_are_flushed_and_saved_ones_stay_up_to_the_limit()
    {
        using var rig = new Rig();
        rig.Group("root").Limits.SavedSessionsMax = 4;
        var files = new List<byte[]>();
        for (int i = 0; i < 10; i++)
        {
            Opener opener = rig.Open();
            opener.NewSession(SessionType.Hmac);
            files.Add(SaveNew(opener));
            opener.Close();
            rig.Pass(TimeSpan.FromMilliseconds(10));
        }

        rig.Settle();
        Assert.Equal(4, rig.Tpm.ActiveSessions);
        Opener last = rig.Open();
        files[6..].ForEach(file => last.Must(Cmd.ContextLoad(file)));
        Assert.False(last.Do(Cmd.ContextLoad(files[5])).IsSuccess);
    }

    [Fact]
    public void A_saved_session_is_flushed_by_its_owner_with_either_type_byte_and_by_nobody_else()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint session = opener.NewSession(SessionType.Policy);
        opener.Must(Cmd.ContextSave(session));
        Opener stranger = rig.Open(uid: 1001);
        Assert.Equal(s_notLoadable, stranger.Do(Cmd.FlushContext(session)).Code);
        Assert.Equal(s_notLoadable, stranger.Do(Cmd.FlushContext(session ^ 0x01000000)).Code);
        rig.Open().Must(Cmd.FlushContext(session ^ 0x01000000));
        Assert.Equal(0, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void A_session_that_ends_with_its_command_is_gone_on_success_only()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        uint session = opener.NewSession(SessionType.Hmac);
        Assert.False(opener.Do(Cmd.GetCapability(99, 0, 1, new Auth(session, Auth.Audit))).IsSuccess);
        opener.Must(Cmd.GetRandom(8, new Auth(session, Auth.Audit)));
        Assert.Equal(Rc.ReferenceS0, opener.Do(Cmd.GetRandom(8, Auth.AuditSession(session))).Code);
        Assert.Equal(0, rig.Tpm.ActiveSessions);
        opener.Must(Cmd.Sign(key, "text"));
    }

    [Theory]
    [InlineData(255u, 2_000)]
    [InlineData(0xFFFFu, 70_000)]
    public void An_idle_session_outlives_the_context_gap(uint gap, int others)
    {
        using var rig = new Rig(new TpmParameters { ContextGap = gap });
        Opener idle = rig.Open();
        uint kept = idle.NewSession(SessionType.Policy);
        idle.Must(Cmd.PolicyCommandCode(kept, Cmd.GetRandomCode));
        byte[] digest = idle.Must(Cmd.PolicyGetDigest(kept)).Body;
        byte[] file = SaveNew(rig.Open(uid: 5));
        rig.Settle();
        Opener busy = rig.Open(uid: 7);
        uint session = busy.NewSession(SessionType.Policy);
        for (int i = 0; i < others; i++)
        {
            session = busy.Must(Cmd.ContextLoad(busy.Must(Cmd.ContextSave(session)).Body)).Handle;
        }

        Assert.Equal(digest, idle.Must(Cmd.PolicyGetDigest(kept)).Body);
        rig.Open(uid: 5).Must(Cmd.ContextLoad(file));
    }

    [Fact]
    public void A_gap_that_somebody_else_opened_is_closed_when_the_tpm_complains()
    {
        using var rig = new Rig(new TpmParameters { ContextGap = 255 });
        Opener opener = rig.Open();
        uint session = opener.NewSession(SessionType.Policy);
        rig.Settle();
        uint theirs = new Answer(rig.Tpm.Direct(Cmd.StartAuthSession(SessionType.Policy))).Handle;
        Answer saved = new(rig.Tpm.Direct(Cmd.ContextSave(theirs)));
        while (saved.IsSuccess)
        {
            theirs = new Answer(rig.Tpm.Direct(Cmd.ContextLoad(saved.Body))).Handle;
            saved = new(rig.Tpm.Direct(Cmd.ContextSave(theirs)));
        }

        Assert.Equal(Rc.ContextGap, saved.Code);
        opener.NewSession(SessionType.Hmac);
        opener.Must(Cmd.PolicyGetDigest(session));
    }

    [Fact]
    public void Ten_thousand_abandoned_sessions_leave_later_clients_unharmed()
    {
        using var rig = new Rig();
        for (int i = 0; i < 10_000; i++)
        {
            Opener opener = rig.Open(uid: (uint)(i % 100));
            SaveNew(opener);
            opener.Close();
            rig.Run();
        }

        Opener later = rig.Open(uid: 5000);
        later.Must(Cmd.PolicyGetDigest(later.NewSession(SessionType.Policy)));
        Assert.InRange(rig.Tpm.ActiveSessions, 1, 64);
    }

    [Fact]
    public void A_newcomer_gets_a_session_within_three_seconds_from_whoever_holds_the_most()
    {
        using var rig = new Rig();
        (Opener Opener, uint Session)[] holders =
            [.. Enumerable.Range(0, 64).Select(i => rig.Open("greedy", uid: 1))
                .Select(opener => (opener, opener.NewSession(SessionType.Hmac)))];
        rig.Pass(TimeSpan.FromSeconds(5));
        holders[0].Opener.Must(Cmd.GetRandom(8, Auth.AuditSession(holders[0].Session)));
        Opener newcomer = rig.Open("modest", uid: 2);
        long start = rig.Time.GetTimestamp();
        newcomer.NewSession(SessionType.Hmac);
        Assert.InRange(rig.Time.GetElapsedTime(start).TotalSeconds, 2, 3);
        Assert.Contains(rig.Log.Entries, entry => entry.StartsWith("taken: 1", StringComparison.Ordinal));
        int lost = holders.Count(
            holder =>
                holder.Opener.Do(Cmd.GetRandom(8, Auth.AuditSession(holder.Session))).Code == (Rc.ReferenceS0));
        Assert.Equal(1, lost);
        holders[0].Opener.Must(Cmd.GetRandom(8, Auth.AuditSession(holders[0].Session)));
    }

    [Fact]
    public void Waiting_openers_get_sessions_in_order_as_they_are_given_back_and_hold_up_no_other_opener()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        Opener holder = rig.Open(uid: 1);
        uint[] sessions = [.. Enumerable.Range(0, 4).Select(_ => holder.NewSession(SessionType.Hmac))];
        Opener first = rig.Open(uid: 2);
        Opener second = rig.Open(uid: 3);
        first.Send(Cmd.StartAuthSession(SessionType.Hmac));
        rig.Pass(TimeSpan.FromMilliseconds(10));
        second.Send(Cmd.StartAuthSession(SessionType.Hmac));
        rig.Pass(TimeSpan.FromMilliseconds(10));
        Assert.False(first.IsDone || second.IsDone);
        rig.Open(uid: 4).Must(Cmd.GetRandom(8));
        holder.Must(Cmd.FlushContext(sessions[0]));
        rig.Run();
        Assert.True(first.IsDone);
        Assert.False(second.IsDone);
        holder.Close();
        rig.Run();
        Assert.True(second.IsDone);
    }

    [Fact]
    public void With_nothing_to_give_way_the_wait_ends_after_ten_seconds()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        for (int i = 0; i < 4; i++)
        {
            rig.Tpm.Direct(Cmd.ContextSave(new Answer(rig.Tpm.Direct(Cmd.StartAuthSession(SessionType.Hmac))).Handle));
        }

        Opener opener = rig.Open();
        long start = rig.Time.GetTimestamp();
        Assert.Equal(Layer | Rc.SessionHandles, opener.Do(Cmd.StartAuthSession(SessionType.Hmac)).Code);
        Assert.InRange(rig.Time.GetElapsedTime(start).TotalSeconds, 10, 11);
    }

    [Fact]
    public void A_session_that_was_dropped_is_loaded_by_nobody()
    {
        using var rig = new Rig();
        Opener opener = rig.Open(uid: 1);
        List<byte[]> files = [.. Enumerable.Range(0, 8)
            .Select(_ => opener.Must(Cmd.ContextSave(opener.NewSession(SessionType.Policy))).Body)];
        uint last = opener.NewSession(SessionType.Policy);
        rig.Group("root").Limits.SavedSessionsMax = 1;
        Opener stranger = rig.Open(uid: 2);
        opener.Send(Cmd.ContextSave(last));
        stranger.Send(Cmd.ContextLoad(files[7]));
        rig.Run();
        Assert.Equal(0x1CBu, new Answer(stranger.Response!).Code);
        Assert.Equal(1, rig.Tpm.ActiveSessions);
    }

    [Fact]
    public void A_session_that_its_client_saved_is_loaded_though_the_manager_left_it_in_the_tpm()
    {
        using var rig = new Rig(new TpmParameters { ContextGap = 255 });
        Opener saver = rig.Open(uid: 5);
        byte[] file = saver.Must(Cmd.ContextSave(saver.NewSession(SessionType.Policy))).Body;
        Opener busy = rig.Open(uid: 7);
        uint session = busy.NewSession(SessionType.Policy);
        byte[] saved;
        do
        {
            saved = busy.Must(Cmd.ContextSave(session)).Body;
            rig.Tpm.Faults.Warn(Rc.Retry, command: Cmd.ContextSaveCode);
            session = busy.Must(Cmd.ContextLoad(saved)).Handle;
        }
        while (rig.Tpm.Faults.Outstanding > 0);
        saver.Must(Cmd.PolicyGetDigest(saver.Must(Cmd.ContextLoad(file)).Handle));
    }

    private static byte[] SaveNew(Opener opener) =>
        opener.Must(Cmd.ContextSave(opener.NewSession(SessionType.Policy))).Body;
}
