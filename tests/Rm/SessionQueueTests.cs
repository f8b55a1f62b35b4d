using TpmFs.Rm.Tests.Harness;
using TpmFs.Rm.Tests.Simulation;

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
}
