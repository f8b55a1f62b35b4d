using TpmFs.Rm.Tests.Harness;
using TpmFs.Rm.Tests.Simulation;

namespace TpmFs.Rm.Tests;

public sealed class ResidencyTests
{
    private static uint NewKey(Opener opener, string data) =>
        opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), data)).Handle;

    [Fact]
    public void A_working_set_that_fits_costs_one_tpm_command_each()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] keys = [NewKey(opener, "a"), NewKey(opener, "b"), NewKey(opener, "c")];
        rig.Tpm.Log.Clear();
        for (int i = 0; i < 300; i++)
        {
            opener.Must(Cmd.Sign(keys[i % 3], "text"));
        }

        Assert.Equal(300, rig.Tpm.Log.Total);
    }
}
