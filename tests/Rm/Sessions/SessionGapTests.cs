using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Sessions;

/// <summary>The context gap, where somebody beside the manager uses the TPM as well.</summary>
public sealed class SessionGapTests
{
    internal const uint Gap = 255;

    [Fact]
    public void Nobody_beside_the_manager_ever_meets_the_gap_of_its_sessions()
    {
        using var rig = new Rig(new TpmParameters { ContextGap = Gap });
        Opener idle = rig.Open(uid: 5);
        uint kept = idle.NewSession(SessionType.Policy);
        rig.Settle();
        Opener busy = rig.Open(uid: 7);
        uint session = busy.NewSession(SessionType.Policy);
        for (int i = 0; i < 1000; i++)
        {
            session = busy.Must(Cmd.ContextLoad(busy.Must(Cmd.ContextSave(session)).Body)).Handle;
            Answer theirs = new(rig.Tpm.Direct(Cmd.StartAuthSession(SessionType.Hmac)));
            Assert.True(theirs.IsSuccess);
            Assert.True(new Answer(rig.Tpm.Direct(Cmd.ContextSave(theirs.Handle))).IsSuccess);
            rig.Tpm.Direct(Cmd.FlushContext(theirs.Handle));
        }

        idle.Must(Cmd.PolicyGetDigest(kept));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_client_whose_own_command_meets_a_gap_that_somebody_else_opened_is_not_told(bool bySaving)
    {
        using var rig = new Rig(new TpmParameters { ContextGap = Gap });
        Opener opener = rig.Open();
        uint oldest = opener.NewSession(SessionType.Policy);
        rig.Settle();
        OpenGap(rig);
        uint first = opener.NewSession(SessionType.Policy);
        if (bySaving)
        {
            opener.Must(Cmd.ContextLoad(opener.Must(Cmd.ContextSave(first)).Body));
        }
        else
        {
            opener.NewSession(SessionType.Policy);
            opener.NewSession(SessionType.Policy);
        }

        opener.Must(Cmd.PolicyGetDigest(oldest));
        opener.Must(Cmd.PolicyGetDigest(first));
    }

    /// <summary>Somebody else saves a session until the TPM refuses to.</summary>
    internal static void OpenGap(Rig rig)
    {
        Answer theirs = new(rig.Tpm.Direct(Cmd.StartAuthSession(SessionType.Policy)));
        uint handle = theirs.Handle;
        Answer saved = new(rig.Tpm.Direct(Cmd.ContextSave(handle)));
        while (saved.IsSuccess)
        {
            rig.Tpm.Direct(Cmd.ContextLoad(saved.Body));
            saved = new(rig.Tpm.Direct(Cmd.ContextSave(handle)));
        }

        Assert.Equal(Rc.ContextGap, saved.Code);
        rig.Tpm.Direct(Cmd.FlushContext(handle));
    }
}
