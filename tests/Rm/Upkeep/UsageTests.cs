using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Upkeep;

/// <summary>Tests the usage that is reported of an opener and its domain, and what policy refuses.</summary>
public sealed class UsageTests
{
    private const uint Layer = 0x000B0000;

    [Fact]
    public void Commands_evictions_errors_and_the_tpm_s_time_are_put_down_to_who_caused_them()
    {
        using var rig = new Rig();
        Opener other = rig.Open("other");
        other.Must(Cmd.GetRandom(8));
        Opener opener = rig.Open("mine");
        uint[] keys = opener.NewKeys(4);
        rig.Tpm.Latency = _ => TimeSpan.FromMilliseconds(10);
        Usage usage = rig.Group("mine").Usage;
        (long commands, long tpmCommands, long evictions, long errors) =
            (usage.Commands, usage.TpmCommands, usage.Evictions, usage.Errors);
        TimeSpan busy = usage.Busy;
        rig.Tpm.Log.Clear();
        Array.ForEach(keys, key => opener.Must(Cmd.Sign(key, "text")));
        Assert.False(opener.Do(Cmd.GetCapability(99, 0, 1)).IsSuccess);
        Assert.Equal(5, usage.Commands - commands);
        Assert.Equal(rig.Tpm.Log.Total, usage.TpmCommands - tpmCommands);
        Assert.Equal(rig.Tpm.Log.Count(Cmd.ContextLoadCode), usage.Evictions - evictions);
        Assert.Equal(1, usage.Errors - errors);
        Assert.Equal(TimeSpan.FromMilliseconds(10) * rig.Tpm.Log.Total, usage.Busy - busy);
        Assert.Equal(1, rig.Group("other").Usage.Commands);
    }

    [Fact]
    public void A_command_that_is_answered_without_having_its_turn_is_counted_too()
    {
        using var rig = new Rig();
        Opener cancelled = rig.Open("cancelled");
        Opener rescued = rig.Open("rescued");
        cancelled.Send(Cmd.GetRandom(40));
        rescued.Send(Cmd.GetRandom(8));
        rig.Time.Advance(TimeSpan.FromMilliseconds(300));
        cancelled.Cancel();
        Assert.True(cancelled.IsDone && rescued.IsDone);
        Assert.Equal((1, 1), (rig.Group("cancelled").Usage.Commands, rig.Group("cancelled").Usage.Errors));
        Assert.Equal((1, 0), (rig.Group("rescued").Usage.Commands, rig.Group("rescued").Usage.Errors));
        Assert.All(
            [rig.Group("cancelled").Usage, rig.Group("rescued").Usage],
            usage => Assert.InRange(usage.Queued.TotalMilliseconds, 250, 300));
    }

    [Fact]
    public void A_denied_command_is_refused_told_and_counted_and_does_not_reach_the_tpm()
    {
        using var rig = new Rig();
        rig.Group("denied").Denied = new HashSet<TpmCc> { TpmCc.Clear, TpmCc.Startup };
        Opener opener = rig.Open("denied");
        uint key = opener.NewKeys(1)[0];
        rig.Tpm.Log.Clear();
        Assert.Equal(Layer | Rc.CommandCode, opener.Do(Cmd.Clear()).Code);
        Assert.Equal(Rc.Initialize, opener.Do(Cmd.Startup()).Code);
        Assert.Equal(0, rig.Tpm.Log.Total);
        Assert.Equal([TpmCc.Clear, TpmCc.Startup], opener.DeniedCommands);
        Assert.Equal(2, rig.Group("denied").Usage.Denied);
        opener.Must(Cmd.Sign(key, "text"));
    }

    /// <summary>
    /// A wrong authorization for the lockout hierarchy, with a command that no list refused, kept everybody from that
    /// hierarchy.
    /// </summary>
    [Fact]
    public void A_group_that_is_refused_all_that_lockout_is_for_names_the_lockout_hierarchy_in_no_command()
    {
        const uint Lockout = 0x4000_000A;
        using var rig = new Rig();
        TpmCc[] ofLockout =
        [
            TpmCc.Clear, TpmCc.ClearControl, TpmCc.DictionaryAttackLockReset, TpmCc.DictionaryAttackParameters,
            TpmCc.HierarchyChangeAuth, TpmCc.SetPrimaryPolicy,
        ];
        rig.Group("denied").Denied = ofLockout.ToHashSet();
        rig.Group("clears").Denied = ofLockout.Skip(1).ToHashSet();
        Opener opener = rig.Open("denied");
        byte[] bound = Cmd.StartAuthSession(SessionType.Hmac, Lockout);
        rig.Tpm.Log.Clear();

        Assert.Equal(Layer | Rc.CommandCode, opener.Do(bound).Code);
        Assert.Equal(0, rig.Tpm.Log.Total);
        Assert.Equal([TpmCc.StartAuthSession], opener.DeniedCommands);
        opener.Must(Cmd.StartAuthSession(SessionType.Hmac, (uint)TpmRh.Owner));
        rig.Open("clears").Do(bound);
        rig.Open("clears").Must(Cmd.Clear());
        Assert.Equal(2, rig.Tpm.Log.Count((uint)TpmCc.StartAuthSession));
    }

    [Fact]
    public void A_command_goes_to_the_tpm_at_the_locality_of_its_opener()
    {
        using var rig = new Rig();
        byte[] extend = Cmd.PcrExtend(17, "text");
        Assert.False(rig.Open(locality: 0).Do(extend).IsSuccess);
        rig.Open(locality: 3).Must(extend);
    }
}
