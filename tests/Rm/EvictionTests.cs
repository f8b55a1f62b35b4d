using TpmFs.Rm.Tests.Harness;
using TpmFs.Rm.Tests.Simulation;

namespace TpmFs.Rm.Tests;

/// <summary>Which object leaves, in the cases that the general workloads do not show.</summary>
public sealed class EvictionTests
{
    /// <summary>A key is made to be used: what was used before it leaves before it.</summary>
    [Fact]
    public void A_key_that_was_just_made_is_not_the_first_to_leave()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] used = opener.NewKeys(2);
        Array.ForEach(used, key => opener.Must(Cmd.Sign(key, "text")));
        opener.Must(Cmd.GetRandom(8));
        uint fresh = opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), "fresh")).Handle;
        opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), "another"));
        rig.Tpm.Log.Clear();
        opener.Must(Cmd.Sign(fresh, "text"));
        Assert.Equal(1, rig.Tpm.Log.Total);
    }
}
