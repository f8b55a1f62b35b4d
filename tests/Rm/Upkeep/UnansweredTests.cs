using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Upkeep;

/// <summary>What the manager tells of a command that the TPM does not answer.</summary>
public sealed class UnansweredTests
{
    [Fact]
    public void While_the_TPM_has_a_command_the_manager_says_which_and_for_how_long()
    {
        using var rig = new Rig();
        UnansweredCommand? seen = null;
        rig.Tpm.Latency = code => code == 0x17B ? TimeSpan.FromSeconds(42) : TimeSpan.Zero;
        rig.Tpm.Wait = latency =>
        {
            rig.Time.Advance(latency);
            seen = rig.Manager.Unanswered;
        };
        rig.Open().Must(Cmd.GetRandom(33));
        Assert.Equal(TpmCc.GetRandom, seen?.Code);
        Assert.Equal(TimeSpan.FromSeconds(42), seen!.Value.Waited);
        Assert.Null(rig.Manager.Unanswered);
    }
}
