using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Commands;

/// <summary>
/// Tests that one opener can do nothing to another, and that the codes which say so are the TPM's with the manager's
/// layer.
/// </summary>
public sealed class IsolationTests
{
    private const uint Layer = 0x000B0000;

    [Fact]
    public void Handles_are_counted_up_from_the_first_transient_one_and_not_used_again()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] handles = opener.NewKeys(3);
        Assert.Equal([0x80000000, 0x80000001, 0x80000002], handles);
        opener.Must(Cmd.FlushContext(handles[1]));
        Assert.Equal(0x80000003u, opener.NewKeys(1)[0]);
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.ReadPublic(handles[1])).Code);
    }

    [Fact]
    public void Nothing_of_another_opener_s_can_be_used_listed_saved_or_flushed()
    {
        using var rig = new Rig();
        Opener owner = rig.Open();
        uint key = owner.NewKeys(1)[0];
        uint session = owner.NewSession(SessionType.Policy);
        uint real = rig.Tpm.TransientHandles[0];
        Opener stranger = rig.Open();
        rig.Tpm.Log.Clear();
        foreach (uint handle in new[] { key, real, key + 1, 0x80FFFFFE })
        {
            Assert.Equal(Rc.ReferenceH0, stranger.Do(Cmd.ReadPublic(handle)).Code);
            Assert.Equal(Rc.ReferenceH0, stranger.Do(Cmd.ContextSave(handle)).Code);
            Assert.Equal(Rc.Handle.P(1), stranger.Do(Cmd.FlushContext(handle)).Code);
        }

        foreach (uint handle in new[] { session, session ^ 0x01000000 })
        {
            Assert.Equal(Rc.ReferenceH0, stranger.Do(Cmd.PolicyGetDigest(handle)).Code);
            Assert.Equal(Rc.ReferenceH0, stranger.Do(Cmd.ContextSave(handle)).Code);
            Assert.Equal(Rc.ReferenceS0, stranger.Do(Cmd.GetRandom(8, Auth.AuditSession(handle))).Code);
            Assert.Equal(Rc.Handle.P(1), stranger.Do(Cmd.FlushContext(handle)).Code);
        }

        foreach (uint first in new uint[] { 0x80000000, 0x02000000, 0x03000000 })
        {
            Assert.Equal([0, 0, 0, 0, 1, 0, 0, 0, 0], stranger.Must(Cmd.GetCapability(1, first, 100)).Body);
        }

        Assert.Equal(0, rig.Tpm.Log.Total);
        owner.Must(Cmd.Sign(key, "text"));
        owner.Must(Cmd.PolicyGetDigest(session));
    }

    [Theory]
    [InlineData("80010000000e0000017380ffffff", 0x184u)]
    [InlineData("80010000000e0000016580ffffff", 0x1C4u)]
    [InlineData("80010000000e0000016581000001", 0x1C4u)]
    [InlineData("80010000000e0000016540000001", 0x1C4u)]
    [InlineData("80010000000e0000016580000000", 0x1CBu)]
    [InlineData("80010000000e0000016503000000", 0x1CBu)]
    [InlineData("80010000000a00000165", 0x1DAu)]
    [InlineData("80010000000c000001658000", 0x1DAu)]
    [InlineData("80010000000f000001658000000000", 0x095u)]
    [InlineData("80010000000a00000162", 0x19Au)]
    [InlineData("80010000000a00000fff", 0x143u)]
    [InlineData("80010000000a20000fff", 0x143u)]
    [InlineData("80050000000c0000017b0008", 0x084u)]
    [InlineData("80020000000c0000017b0008", 0x09Au)]
    [InlineData("8002000000100000017b000000080008", 0x095u)]
    [InlineData("8002000000100000017b7fffffff0008", 0x095u)]
    [InlineData("8002000000100000017bffffffff0008", 0x095u)]
    [InlineData("8002000000190000017b000000094000000900000100500008", 0x995u)]
    [InlineData("8002000000190000017b000000098000000000000100000008", 0x984u)]
    [InlineData("8002000000190000017b000000090200000000000100000008", 0x918u)]
    [InlineData("80020000001b0000016500000009400000090000010000" + "80000000", 0x145u)]
    public void A_command_that_cannot_be_right_is_answered_as_the_tpm_would_and_does_not_reach_it(
        string command, uint code)
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        Assert.Equal(code, opener.Do(Convert.FromHexString(command)).Code);
        Assert.Equal(0, rig.Tpm.Log.Total);
    }

    [Fact]
    public void A_fourth_session_is_one_too_many()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        var password = Auth.Password();
        Assert.Equal(0xC95u, opener.Do(Cmd.GetRandom(8, password, password, password, password)).Code);
    }

    [Fact]
    public void Commands_of_a_vendor_have_their_handles_mapped_both_ways()
    {
        using var rig = new Rig();
        Opener first = rig.Open();
        first.NewKeys(2);
        Opener second = rig.Open();
        uint key = second.NewKeys(1)[0];
        uint copy = second.Must(Cmd.VendorCopy(key)).Handle;
        Assert.Equal(key + 1, copy);
        Assert.Equal(second.Must(Cmd.Sign(key, "text")).Body, second.Must(Cmd.Sign(copy, "text")).Body);
    }

    [Fact]
    public void Contexts_of_objects_may_be_loaded_by_any_opener()
    {
        using var rig = new Rig();
        Opener first = rig.Open();
        uint key = first.NewKeys(1)[0];
        byte[] context = first.Must(Cmd.ContextSave(key)).Body;
        byte[] signature = first.Must(Cmd.Sign(key, "text")).Body;
        Opener second = rig.Open("other", uid: 7);
        uint loaded = second.Must(Cmd.ContextLoad(context)).Handle;
        uint again = second.Must(Cmd.ContextLoad(context)).Handle;
        Assert.Equal(signature, second.Must(Cmd.Sign(loaded, "text")).Body);
        Assert.Equal(signature, second.Must(Cmd.Sign(again, "text")).Body);
    }

    [Fact]
    public void Limits_of_objects_hold_exactly_and_may_change()
    {
        using var rig = new Rig();
        rig.Group("root").Limits.ObjectsMax = 5;
        Opener opener = rig.Open();
        opener.NewKeys(5);
        uint refused = Layer | Rc.ObjectMemory;
        Assert.Equal(refused, opener.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code);
        Assert.Equal(refused, opener.Do(Cmd.HashSequenceStart(Hashes.Sha256)).Code);
        Assert.Equal(refused, opener.Do(Cmd.ContextLoad(opener.Must(Cmd.ContextSave(0x80000000)).Body)).Code);
        rig.Group("root").Limits.ObjectsMax = 6;
        opener.NewKeys(1);
        opener.Must(Cmd.FlushContext(0x80000002));
        opener.NewKeys(1);
        Assert.Equal(refused, opener.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code);
    }

    [Fact]
    public void Sequence_objects_end_when_they_are_completed_and_only_then()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint first = opener.Must(Cmd.HashSequenceStart(Hashes.Sha256)).Handle;
        Assert.False(opener.Do(Cmd.SequenceComplete(first, "end", hierarchy: 0x12345678)).IsSuccess);
        opener.Must(Cmd.SequenceComplete(first, "end"));
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.SequenceUpdate(first, "more")).Code);
        uint second = opener.Must(Cmd.HashSequenceStart(Hashes.None)).Handle;
        opener.Must(Cmd.EventSequenceComplete(16, second, "end"));
        Assert.Equal(Rc.ReferenceH0, opener.Do(Cmd.SequenceUpdate(second, "more")).Code);
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
    }

    [Fact]
    public void A_raw_opener_that_is_closed_twice_frees_its_place_once()
    {
        using var rig = new Rig();
        var nobody = new Opener(rig, new SpaceOwner(rig.Group("root"), 0, 0));
        Assert.True(rig.Manager.TryOpenRaw(nobody.Owner, nobody, out Space? first));
        first.Close();
        Assert.True(rig.Manager.TryOpenRaw(nobody.Owner, nobody, out _));
        first.Close();
        Assert.False(rig.Manager.TryOpenRaw(nobody.Owner, nobody, out _));
    }
}
