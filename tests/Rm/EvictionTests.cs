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

    /// <summary>Pairs of six objects, of which the TPM can hold three: neither may leave for the other.</summary>
    [Fact]
    public void A_command_that_names_two_objects_finds_both_in_the_tpm()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] parents = [.. Enumerable.Range(0, 3).Select(i => opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Storage(), $"{i}")).Handle)];
        uint[] keys = opener.NewKeys(3);
        var random = new Random(5);
        for (int i = 0; i < 300; i++)
        {
            opener.Must(Cmd.FlushContext(opener.Must(StartSalted(parents[random.Next(3)], keys[random.Next(3)])).Handle));
            opener.Must(Cmd.Sign(keys[random.Next(3)], "text"));
        }
    }

    [Fact]
    public void An_object_that_is_named_twice_is_loaded_once()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint parent = opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Storage())).Handle;
        rig.Settle();
        rig.Tpm.Log.Clear();
        opener.Must(StartSalted(parent, parent));
        Assert.Equal(1, rig.Tpm.Log.Count(Cmd.ContextLoadCode));
    }

    /// <summary>A session that is salted by one object and bound to another. The salt means nothing to the simulation.</summary>
    private static byte[] StartSalted(uint salting, uint bound) => Cmd.Build(
        0x176,
        [salting, bound],
        new ByteWriter().Sized(new byte[16]).Sized(new byte[68]).U8((byte)SessionType.Hmac).U16(Hashes.None).U16(Hashes.Sha256).Written);
}
