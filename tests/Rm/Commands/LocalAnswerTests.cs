using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Commands;

/// <summary>Answers that need no TPM, and when they are not given.</summary>
public sealed class LocalAnswerTests
{
    [Fact]
    public void A_public_area_is_read_from_the_tpm_once()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        byte[] first = opener.Must(Cmd.ReadPublic(key)).Bytes;
        rig.Settle();
        rig.Tpm.Log.Clear();
        Assert.Equal(first, opener.Must(Cmd.ReadPublic(key)).Bytes);
        Assert.Equal(0, rig.Tpm.Log.Total);
    }

    [Fact]
    public void A_sequence_has_no_public_area()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint sequence = opener.Must(Cmd.HashSequenceStart(Hashes.Sha256)).Handle;
        Assert.Equal(Rc.Sequence, opener.Do(Cmd.ReadPublic(sequence)).Code);
        Assert.Equal(Rc.Sequence, opener.Do(Cmd.ReadPublic(sequence)).Code);
    }

    [Fact]
    public void A_persistent_key_s_public_area_is_asked_for_every_time()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] keys = opener.NewKeys(2);
        opener.Must(Cmd.EvictControl(Handles.Owner, keys[0], 0x81000001));
        byte[] first = opener.Must(Cmd.ReadPublic(0x81000001)).Bytes;
        Opener other = rig.Open();
        other.Must(Cmd.EvictControl(Handles.Owner, 0x81000001, 0x81000001));
        opener.Must(Cmd.EvictControl(Handles.Owner, keys[1], 0x81000001));
        Assert.NotEqual(first, opener.Must(Cmd.ReadPublic(0x81000001)).Bytes);
    }

    [Fact]
    public void An_object_that_is_not_in_the_tpm_is_saved_and_flushed_without_it()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        byte[] signature = opener.Must(Cmd.Sign(key, "text")).Body;
        rig.Settle();
        rig.Tpm.Log.Clear();
        byte[] context = opener.Must(Cmd.ContextSave(key)).Body;
        opener.Must(Cmd.FlushContext(key));
        Assert.Equal(0, rig.Tpm.Log.Total);
        uint loaded = opener.Must(Cmd.ContextLoad(context)).Handle;
        Assert.Equal(signature, opener.Must(Cmd.Sign(loaded, "text")).Body);
    }

    [Fact]
    public void A_context_that_a_client_loaded_serves_for_its_own_eviction()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        byte[] context = opener.Must(Cmd.ContextSave(opener.NewKeys(1)[0])).Body;
        Opener next = rig.Open();
        uint loaded = next.Must(Cmd.ContextLoad(context)).Handle;
        rig.Tpm.Log.Clear();
        rig.Settle();
        Assert.Equal(0, rig.Tpm.Log.Count(Cmd.ContextSaveCode));
        next.Must(Cmd.Sign(loaded, "text"));
    }

    [Fact]
    public void A_command_that_the_tpm_audits_goes_to_the_tpm()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        opener.Must(Cmd.ReadPublic(key));
        opener.Must(Cmd.SetCommandCodeAuditStatus(0x173, Cmd.FlushContextCode));
        rig.Settle();
        rig.Tpm.Log.Clear();
        opener.Must(Cmd.ReadPublic(key));
        Assert.Equal(1, rig.Tpm.Log.Count(0x173));
        rig.Settle();
        opener.Must(Cmd.FlushContext(key));
        Assert.Empty(rig.Tpm.TransientHandles);
        Assert.Equal(2, rig.Tpm.Log.Count(Cmd.FlushContextCode));
    }
}
