using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Sessions;

/// <summary>Tests who has to wait when the TPM has no session left, and who has not.</summary>
public sealed class SessionQueueTests
{
    /// <summary>
    /// Loading a saved session takes none of the TPM's: it must not queue behind those that wait for one.
    /// </summary>
    [Fact]
    public void A_saved_session_is_loaded_at_once_while_others_wait_for_a_new_one()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        Opener holder = rig.Open(uid: 1);
        uint[] sessions = [.. Enumerable.Range(0, 4).Select(_ => holder.NewSession(SessionType.Policy))];
        byte[] file = holder.Must(Cmd.ContextSave(sessions[0])).Body;
        Opener waiting = rig.Open(uid: 2);
        waiting.Send(Cmd.StartAuthSession(SessionType.Policy));
        rig.Run();
        Assert.False(waiting.IsDone);
        Opener next = rig.Open(uid: 1);
        next.Send(Cmd.ContextLoad(file));
        rig.Run();
        Assert.True(next.IsDone);
        Assert.True(new Answer(next.Response!).IsSuccess);
        Assert.False(waiting.IsDone);
    }

    [Fact]
    public void A_session_that_somebody_beside_the_manager_gave_back_goes_to_who_has_waited_longest()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        uint theirs = new Answer(rig.Tpm.Direct(Cmd.StartAuthSession(SessionType.Hmac))).Handle;
        Opener holder = rig.Open(uid: 1);
        holder.NewSession(SessionType.Policy);
        rig.Settle();
        Array.ForEach((int[])[1, 2], _ => holder.NewSession(SessionType.Policy));
        Opener waiting = rig.Open(uid: 2);
        waiting.Send(Cmd.StartAuthSession(SessionType.Policy));
        rig.Run();
        Assert.False(waiting.IsDone);
        rig.Tpm.Direct(Cmd.FlushContext(theirs));
        Opener newcomer = rig.Open(uid: 3);
        newcomer.Send(Cmd.StartAuthSession(SessionType.Policy));
        rig.Run();
        Assert.False(newcomer.IsDone);
        Assert.True(waiting.Await().IsSuccess);
    }

    /// <summary>
    /// A user who touched each session often enough used to keep all of them from everybody, for ever.
    /// </summary>
    [Fact]
    public void A_session_beyond_its_owner_s_share_is_taken_after_the_grace_time_though_it_is_used_every_second()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        Opener holder = rig.Open(uid: 1);
        uint[] sessions = [.. Enumerable.Range(0, 4).Select(_ => holder.NewSession(SessionType.Policy))];
        Opener newcomer = rig.Open("other", uid: 2);
        newcomer.Send(Cmd.StartAuthSession(SessionType.Policy));
        rig.Run();
        for (int second = 0; second < 3; second++)
        {
            rig.Pass(TimeSpan.FromMilliseconds(990));
            Array.ForEach(sessions, session => holder.Do(Cmd.PolicyGetDigest(session)));
        }

        Assert.True(newcomer.IsDone);
        Assert.True(newcomer.Await().IsSuccess);
        Assert.StartsWith("taken: 1 ", Assert.Single(rig.Log.Entries), StringComparison.Ordinal);
        Assert.Equal(0x910u, holder.Do(Cmd.PolicyGetDigest(sessions[0])).Code);
        Array.ForEach(sessions[1..], session => holder.Must(Cmd.PolicyGetDigest(session)));
    }

    /// <summary>
    /// Regression: each domain had a share, so that a user who made as many domains as there are sessions, and used one
    /// in each all the time, kept all sessions from everybody, for ever.
    /// </summary>
    [Fact]
    public void A_user_with_one_session_in_each_of_many_domains_is_beyond_a_fair_share()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        Opener[] openers = [.. Enumerable.Range(0, 4).Select(i => rig.Open($"made {i}", uid: 1))];
        Array.ForEach((int[])[0, 1, 2, 3], i => rig.Group($"made {i}").Owner = 1);
        uint[] sessions = [.. openers.Select(opener => opener.NewSession(SessionType.Policy))];
        Opener other = rig.Open("other", uid: 2);
        other.Send(Cmd.StartAuthSession(SessionType.Policy));
        rig.Run();
        for (int second = 0; second < 3; second++)
        {
            rig.Pass(TimeSpan.FromMilliseconds(990));
            foreach ((Opener opener, uint session) in openers.Zip(sessions))
            {
                opener.Do(Cmd.PolicyGetDigest(session));
            }
        }

        Assert.True(other.IsDone);
        Assert.True(other.Await().IsSuccess);
    }

    [Fact]
    public void Nobody_within_a_fair_share_gives_way_to_a_user_who_holds_more()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        Opener modest = rig.Open("modest", uid: 1);
        uint kept = modest.NewSession(SessionType.Policy);
        Opener greedy = rig.Open("greedy", uid: 2);
        uint[] sessions = [.. Enumerable.Range(0, 3).Select(_ => greedy.NewSession(SessionType.Policy))];
        rig.Pass(TimeSpan.FromSeconds(60));
        Array.ForEach(sessions, session => greedy.Must(Cmd.PolicyGetDigest(session)));
        Assert.Equal(0x000B0000 | Rc.SessionHandles, greedy.Do(Cmd.StartAuthSession(SessionType.Policy)).Code);
        modest.Must(Cmd.PolicyGetDigest(kept));
        Assert.Empty(rig.Log.Entries);
    }

    /// <summary>A saved session used to be the first to go, whoever asked and however much they held.</summary>
    [Fact]
    public void A_session_that_a_user_saved_within_a_fair_share_survives_what_another_user_starts()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 6 });
        Opener saver = rig.Open(uid: 1);
        byte[] file = saver.Must(Cmd.ContextSave(saver.NewSession(SessionType.Policy))).Body;
        saver.Close();
        Opener greedy = rig.Open("greedy", uid: 2);
        Array.ForEach((int[])[1, 2, 3, 4, 5], _ => greedy.NewSession(SessionType.Policy));
        Assert.Equal(0x000B0000 | Rc.SessionHandles, greedy.Do(Cmd.StartAuthSession(SessionType.Policy)).Code);
        rig.Open(uid: 1).Must(Cmd.ContextLoad(file));
    }

    [Fact]
    public void A_user_who_asks_for_more_than_a_share_loses_an_own_session_that_was_left_behind()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        Opener saver = rig.Open("modest", uid: 1);
        byte[] kept = saver.Must(Cmd.ContextSave(saver.NewSession(SessionType.Policy))).Body;
        saver.Close();
        byte[][] files = [.. Enumerable.Range(0, 3).Select(_ => LeaveSaved(rig, uid: 2))];
        rig.Open("greedy", uid: 2).NewSession(SessionType.Policy);
        Assert.Equal(0x1CBu, rig.Open("greedy", uid: 2).Do(Cmd.ContextLoad(files[0])).Code);
        rig.Open("modest", uid: 1).Must(Cmd.ContextLoad(kept));
    }

    /// <summary>
    /// Two users of one domain hold as much as one of another: the domain's part is shared by its users.
    /// </summary>
    [Fact]
    public void A_domain_s_sessions_are_shared_by_its_users()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 8 });
        Opener alone = rig.Open("alone", uid: 1);
        Array.ForEach((int[])[1, 2, 3, 4], _ => alone.NewSession(SessionType.Policy));
        Opener first = rig.Open("shared", uid: 2);
        Array.ForEach((int[])[1, 2, 3], _ => first.NewSession(SessionType.Policy));
        rig.Open("shared", uid: 3).NewSession(SessionType.Policy);
        rig.Open("shared", uid: 3).NewSession(SessionType.Policy);
        Assert.StartsWith("taken: 2 ", Assert.Single(rig.Log.Entries), StringComparison.Ordinal);
    }

    /// <summary>
    /// Fifty commands of one user wait, each in an opener of its own: they used to be first, since they came first.
    /// </summary>
    [Fact]
    public void A_session_that_is_given_back_goes_to_whoever_holds_the_least()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        Opener holder = rig.Open("greedy", uid: 1);
        uint[] sessions = [.. Enumerable.Range(0, 4).Select(_ => holder.NewSession(SessionType.Policy))];
        Opener[] crowd = [.. Enumerable.Range(0, 50).Select(_ => rig.Open("greedy", uid: 1))];
        Array.ForEach(crowd, waiting => waiting.Send(Cmd.StartAuthSession(SessionType.Policy)));
        rig.Pass(TimeSpan.FromMilliseconds(500));
        Opener newcomer = rig.Open("other", uid: 2);
        newcomer.Send(Cmd.StartAuthSession(SessionType.Policy));
        rig.Pass(TimeSpan.FromMilliseconds(500));
        holder.Must(Cmd.FlushContext(sessions[0]));
        rig.Run();
        Assert.True(newcomer.IsDone);
        Assert.True(newcomer.Await().IsSuccess);
        Assert.DoesNotContain(crowd, waiting => waiting.IsDone);
    }

    [Fact]
    public void Every_one_of_more_users_than_the_tpm_has_sessions_gets_one_in_turn()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 3 });
        for (uint uid = 1; uid <= 9; uid++)
        {
            rig.Open("root:" + uid, uid).NewSession(SessionType.Policy);
            rig.Pass(TimeSpan.FromSeconds(3));
        }
    }

    /// <summary>
    /// Four sessions against two older ones: who holds the most gives way, unless that is due to them by weight.
    /// </summary>
    [Theory]
    [InlineData(100, "taken: 1 ")]
    [InlineData(400, "taken: 2 ")]
    public void The_user_who_holds_the_most_for_a_weight_gives_way(int weightOfMost, string taken)
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 6 });
        rig.Group("most").Weight = weightOfMost;
        Opener fewest = rig.Open("fewest", uid: 2);
        Opener most = rig.Open("most", uid: 1);
        Array.ForEach(
            (Opener[])[fewest, fewest, most, most, most, most], holder => holder.NewSession(SessionType.Policy));
        rig.Pass(TimeSpan.FromSeconds(5));
        rig.Open("newcomer", uid: 3).NewSession(SessionType.Policy);
        Assert.StartsWith(taken, Assert.Single(rig.Log.Entries), StringComparison.Ordinal);
    }

    [Fact]
    public void Nobody_loses_a_session_to_a_wish_of_their_own()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        Opener opener = rig.Open();
        uint[] sessions = [.. Enumerable.Range(0, 4).Select(_ => opener.NewSession(SessionType.Policy))];
        rig.Pass(TimeSpan.FromSeconds(5));
        Assert.Equal(0x000B0000 | Rc.SessionHandles, opener.Do(Cmd.StartAuthSession(SessionType.Policy)).Code);
        Array.ForEach(sessions, session => opener.Must(Cmd.PolicyGetDigest(session)));
    }

    [Fact]
    public void Sessions_that_nobody_will_miss_give_way_at_once_and_before_any_other()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        Opener holder = rig.Open(uid: 1);
        uint held = holder.NewSession(SessionType.Policy);
        rig.Pass(TimeSpan.FromSeconds(5));
        for (int i = 0; i < 3; i++)
        {
            Opener leaving = rig.Open(uid: 2);
            leaving.Must(Cmd.ContextSave(leaving.NewSession(SessionType.Policy)));
            leaving.Close();
        }

        rig.Run();
        Opener newcomer = rig.Open(uid: 3);
        newcomer.Send(Cmd.StartAuthSession(SessionType.Policy));
        rig.Run();
        Assert.True(newcomer.IsDone);
        Assert.Empty(rig.Log.Entries);
        holder.Must(Cmd.PolicyGetDigest(held));
    }

    private static byte[] LeaveSaved(Rig rig, uint uid)
    {
        Opener leaving = rig.Open("greedy", uid);
        byte[] file = leaving.Must(Cmd.ContextSave(leaving.NewSession(SessionType.Policy))).Body;
        leaving.Close();
        rig.Run();
        return file;
    }
}
