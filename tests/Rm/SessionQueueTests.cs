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
}
