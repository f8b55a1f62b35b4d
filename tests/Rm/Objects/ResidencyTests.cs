using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Objects;

/// <summary>Tests which objects stay in the TPM's slots, which leave, and what that costs in TPM commands.</summary>
public sealed class ResidencyTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_working_set_that_fits_costs_one_tpm_command_each(int keys)
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] handles = opener.NewKeys(keys);
        Assert.Equal(1.0, CostOf(rig, opener, handles, 300));
    }

    [Fact]
    public void Random_bytes_cost_one_command_while_keys_and_sessions_are_held()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.NewKeys(3);
        for (int i = 0; i < 3; i++)
        {
            opener.NewSession(SessionType.Policy);
        }

        rig.Tpm.Log.Clear();
        for (int i = 0; i < 100; i++)
        {
            opener.Must(Cmd.GetRandom(8));
        }

        Assert.Equal(100, rig.Tpm.Log.Total);
    }

    [Fact]
    public void A_working_set_that_goes_round_in_too_few_slots_comes_near_the_optimum()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] handles = opener.NewKeys(6);
        CostOf(rig, opener, handles, 120);
        Assert.InRange(CostOf(rig, opener, handles, 600), 2.0, 2.3);
    }

    [Theory]
    [InlineData(4, 1.7)]
    [InlineData(6, 2.3)]
    [InlineData(9, 2.6)]
    public void Keys_that_are_held_but_not_used_any_more_do_not_stand_in_the_way(int keys, double most)
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] handles = opener.NewKeys(12);
        CostOf(rig, opener, handles, 60);
        CostOf(rig, opener, handles[..keys], 120);
        Assert.InRange(CostOf(rig, opener, handles[..keys], 600), 1.0, most);
    }

    [Fact]
    public void Recent_use_decides_again_when_the_work_does_not_go_round_any_more()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] handles = opener.NewKeys(9);
        CostOf(rig, opener, handles, 300);
        uint[] fewer = handles[6..];
        CostOf(rig, opener, fewer, 100);
        Assert.Equal(1.0, CostOf(rig, opener, fewer, 100));
    }

    [Fact]
    public void Four_openers_with_a_key_each_take_turns_at_three_commands_at_most()
    {
        using var rig = new Rig();
        (Opener Opener, uint Key)[] openers = [.. Enumerable.Range(0, 4).Select(i => rig.Open(uid: (uint)i))
            .Select(opener => (opener, opener.NewKeys(1)[0]))];
        for (int round = 0; round < 2; round++)
        {
            rig.Tpm.Log.Clear();
            for (int i = 0; i < 400; i++)
            {
                openers[i % 4].Opener.Must(Cmd.Sign(openers[i % 4].Key, "text"));
            }
        }

        Assert.InRange(rig.Tpm.Log.Total / 400.0, 1.0, 3.0);
    }

    [Fact]
    public void An_object_is_saved_once_and_then_only_flushed_and_loaded()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] handles = opener.NewKeys(6);
        CostOf(rig, opener, handles, 30);
        rig.Tpm.Log.Clear();
        CostOf(rig, opener, handles, 100, clear: false);
        Assert.Equal(0, rig.Tpm.Log.Count(Cmd.ContextSaveCode));
    }

    [Fact]
    public void A_sequence_object_is_saved_each_time_that_it_leaves_after_use()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint sequence = opener.Must(Cmd.HashSequenceStart(Hashes.Sha256)).Handle;
        using var alone = new Rig();
        Opener other = alone.Open();
        uint same = other.Must(Cmd.HashSequenceStart(Hashes.Sha256)).Handle;
        for (int i = 0; i < 4; i++)
        {
            opener.Must(Cmd.SequenceUpdate(sequence, $"part {i}"));
            other.Must(Cmd.SequenceUpdate(same, $"part {i}"));
            uint[] keys = opener.NewKeys(3);
            Array.ForEach(keys, key => opener.Must(Cmd.FlushContext(key)));
        }

        Assert.Equal(
            other.Must(Cmd.SequenceComplete(same, "end")).Body,
            opener.Must(Cmd.SequenceComplete(sequence, "end")).Body);
    }

    [Fact]
    public void The_tpm_is_empty_after_it_was_idle()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] handles = opener.NewKeys(3);
        uint session = opener.NewSession(SessionType.Policy);
        rig.Pass(TimeSpan.FromMilliseconds(99));
        Assert.Equal(3, rig.Tpm.TransientHandles.Count);
        rig.Pass(TimeSpan.FromMilliseconds(20));
        Assert.Empty(rig.Tpm.TransientHandles);
        Assert.Empty(rig.Tpm.LoadedSessions);
        opener.Must(Cmd.Sign(handles[0], "text"));
        opener.Must(Cmd.PolicyGetDigest(session));
    }

    [Fact]
    public void The_reserve_is_left_free_but_gives_way_to_what_one_command_needs()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { ReserveObjects = 2, ReserveSessions = 1 });
        Opener opener = rig.Open();
        opener.NewKeys(3);
        Assert.Single(rig.Tpm.TransientHandles);
        uint parent = opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Storage())).Handle;
        opener.Must(Cmd.CreateLoaded(parent, Templates.Signing()));
    }

    [Fact]
    public void More_objects_than_slots_serve_one_opener_in_any_order()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] handles = opener.NewKeys(20);
        byte[][] signatures = [.. handles.Select(handle => opener.Must(Cmd.Sign(handle, "text")).Body)];
        Assert.Equal(20, signatures.Select(Convert.ToHexString).Distinct().Count());
        var random = new Random(7);
        for (int i = 0; i < 500; i++)
        {
            int key = random.Next(20);
            Assert.Equal(signatures[key], opener.Must(Cmd.Sign(handles[key], "text")).Body);
        }

        opener.Close();
        rig.Run();
        Assert.Empty(rig.Tpm.TransientHandles);
    }

    [Fact]
    public void A_command_that_needs_a_slot_of_its_own_finds_one()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint parent = opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Storage())).Handle;
        opener.Must(Cmd.EvictControl(Handles.Owner, parent, 0x81000001));
        uint[] handles = opener.NewKeys(3);
        opener.Must(Cmd.ReadPublic(0x81000001));
        rig.Tpm.Log.Clear();
        opener.Must(Cmd.Sign(handles[0], "text"));
        opener.Must(Cmd.Sign(handles[1], "text"));
        opener.Must(Cmd.Sign(handles[2], "text"));
        rig.Tpm.Log.Clear();
        opener.Must(Cmd.ReadPublic(0x81000001));
        Assert.Equal(2, rig.Tpm.Log.Total - rig.Tpm.Log.Count(Cmd.ContextSaveCode));
    }

    [Fact]
    public void Slots_that_somebody_else_took_are_learned_from_the_refusal_and_forgotten_when_idle()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint theirs = rig.TakeSlot();
        uint[] handles = opener.NewKeys(4);
        CostOf(rig, opener, handles[..2], 20);
        Assert.Equal(1.0, CostOf(rig, opener, handles[..2], 20));
        rig.Tpm.Direct(Cmd.FlushContext(theirs));
        rig.Settle();
        CostOf(rig, opener, handles[..3], 6);
        Assert.Equal(1.0, CostOf(rig, opener, handles[..3], 30));
    }

    [Fact]
    public void A_command_waits_ten_seconds_for_a_slot_that_somebody_else_holds()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] theirs = [rig.TakeSlot(), rig.TakeSlot(), rig.TakeSlot()];
        long start = rig.Time.GetTimestamp();
        Assert.Equal(Rc.ObjectMemory, opener.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code & 0xFFFF);
        Assert.InRange(rig.Time.GetElapsedTime(start).TotalSeconds, 10, 11);

        opener.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        rig.Pass(TimeSpan.FromSeconds(3));
        Assert.False(opener.IsDone);
        rig.Tpm.Direct(Cmd.FlushContext(theirs[0]));
        Assert.True(opener.Await().IsSuccess);
    }

    /// <summary>TPM commands per client command, for uses of keys round robin.</summary>
    private static double CostOf(Rig rig, Opener opener, uint[] handles, int uses, bool clear = true)
    {
        if (clear)
        {
            rig.Tpm.Log.Clear();
        }

        for (int i = 0; i < uses; i++)
        {
            opener.Must(Cmd.Sign(handles[i % handles.Length], "text"));
        }

        return (double)rig.Tpm.Log.Total / uses;
    }
}
