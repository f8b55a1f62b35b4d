using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests;

/// <summary>Who has to wait when the TPM has no session left, and who has not.</summary>
public sealed class SessionQueueTests
{
    /// <summary>Loading a saved session takes none of the TPM's: it must not queue behind those that wait for one.</summary>
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

    [Fact]
    public void A_session_that_is_used_every_second_is_not_taken()
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 4 });
        Opener holder = rig.Open(uid: 1);
        uint[] sessions = [.. Enumerable.Range(0, 4).Select(_ => holder.NewSession(SessionType.Policy))];
        Opener newcomer = rig.Open("other", uid: 2);
        newcomer.Send(Cmd.StartAuthSession(SessionType.Policy));
        for (int second = 0; second < 15; second++)
        {
            rig.Pass(TimeSpan.FromSeconds(1));
            Array.ForEach(sessions, session => holder.Must(Cmd.PolicyGetDigest(session)));
        }

        Assert.Equal(0x000B0000 | Rc.SessionHandles, newcomer.Await().Code);
    }

    /// <summary>Four sessions against two older ones: who holds the most gives way, unless that is due to them by weight.</summary>
    [Theory]
    [InlineData(100, "taken: 1 ")]
    [InlineData(400, "taken: 2 ")]
    public void Who_holds_the_most_for_its_weight_gives_way(int weightOfMost, string taken)
    {
        using var rig = new Rig(new TpmParameters { ActiveSessionsMax = 6 });
        rig.Group("most").Weight = weightOfMost;
        Opener fewest = rig.Open("fewest", uid: 2);
        Opener most = rig.Open("most", uid: 1);
        Array.ForEach((Opener[])[fewest, fewest, most, most, most, most], holder => holder.NewSession(SessionType.Policy));
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
}
