using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Sessions;

/// <summary>A TPM that wants a command again later, and commands that are cancelled.</summary>
public sealed class WarningTests
{
    [Theory]
    [InlineData(Rc.Retry)]
    [InlineData(Rc.Yielded)]
    [InlineData(Rc.Testing)]
    public void A_command_that_the_tpm_puts_off_is_sent_again(uint warning)
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        rig.Tpm.Faults.Warn(warning, times: 5);
        opener.Must(Cmd.Sign(key, "text"));
    }

    [Theory]
    [InlineData(Rc.Retry)]
    [InlineData(Rc.Testing)]
    public void The_manager_s_own_commands_are_sent_again_too(uint warning)
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint[] keys = opener.NewKeys(4);
        rig.Tpm.Faults.Warn(warning, times: 2, command: Cmd.ContextSaveCode);
        rig.Tpm.Faults.Warn(warning, times: 2, command: Cmd.ContextLoadCode);
        rig.Tpm.Faults.Warn(warning, times: 2, command: Cmd.FlushContextCode);
        Array.ForEach(keys, key => opener.Must(Cmd.Sign(key, "text")));
        rig.Settle();
        Assert.Empty(rig.Tpm.TransientHandles);
    }

    [Fact]
    public void Testing_is_passed_on_to_who_asked_for_the_test()
    {
        using var rig = new Rig();
        rig.Tpm.Faults.Warn(Rc.Testing);
        Assert.Equal(Rc.Testing, rig.Open().Do(Cmd.Build(0x143, [], [1])).Code);
    }

    [Fact]
    public void After_the_command_s_time_limit_the_warning_is_passed_on()
    {
        using var rig = new Rig();
        rig.Tpm.Faults.Warn(Rc.Retry, times: 100_000);
        long start = rig.Time.GetTimestamp();
        Assert.Equal(Rc.Retry, rig.Open().Do(Cmd.GetRandom(40)).Code);
        Assert.InRange(rig.Time.GetElapsedTime(start).TotalSeconds, 115, 120);
    }

    [Fact]
    public void Others_are_served_while_a_command_waits_to_be_sent_again()
    {
        using var rig = new Rig();
        Opener first = rig.Open();
        rig.Tpm.Faults.Warn(Rc.Retry, times: 6);
        first.Send(Cmd.GetRandom(8));
        rig.Run();
        Assert.False(first.IsDone);
        rig.Tpm.Faults.Warn(Rc.Success, times: 1, skip: 1000);
        Opener second = rig.Open();
        second.Send(Cmd.GetRandom(8));
        rig.Run();
        Assert.True(first.Await().IsSuccess && second.Await().IsSuccess);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Closing_cancels_the_running_command_and_leaves_nothing_behind(bool takesEffect)
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.NewKeys(1);
        rig.Tpm.CancelTakesEffect = takesEffect;
        rig.Tpm.Latency = _ => TimeSpan.FromSeconds(30);
        rig.Tpm.Wait = span =>
        {
            rig.Tpm.Wait = rig.Time.Advance;
            rig.Tpm.Latency = null;
            opener.Close();
            rig.Time.Advance(span);
        };
        opener.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), "late"));
        rig.Settle();
        Assert.False(opener.IsDone);
        Assert.Equal(1, rig.Tpm.Cancels);
        Assert.Empty(rig.Tpm.TransientHandles);
    }

    [Fact]
    public void A_running_command_is_cancelled_on_demand()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        rig.Tpm.Latency = _ => TimeSpan.FromSeconds(30);
        rig.Tpm.Wait = _ => opener.Cancel();
        Assert.Equal(Rc.Canceled, opener.Do(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Code);
    }

    [Fact]
    public void A_waiting_command_is_cancelled_without_the_tpm()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.Send(Cmd.GetRandom(8));
        opener.Cancel();
        Assert.Equal(Rc.Canceled, opener.Await().Code);
        Assert.Equal(0, rig.Tpm.Log.Total);
        opener.Must(Cmd.GetRandom(8));
    }

    [Fact]
    public void A_client_that_did_not_ask_for_a_cancellation_does_not_see_one()
    {
        using var rig = new Rig();
        rig.Tpm.Faults.Warn(Rc.Canceled, times: 2);
        rig.Open().Must(Cmd.GetRandom(8));
    }

    [Fact]
    public void A_command_too_many_is_refused_and_the_first_goes_on()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        opener.Send(Cmd.GetRandom(8));
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => opener.Send(Cmd.GetRandom(8)));
        Assert.True(opener.Await().IsSuccess);
    }

    [Fact]
    public void A_raw_command_whose_way_the_tpm_does_not_clear_is_answered_in_the_end()
    {
        using var rig = new Rig();
        rig.Open().NewKeys(1);
        var raw = new Opener(rig, new SpaceOwner(rig.Group("root"), 0, 0));
        Assert.True(rig.Manager.TryOpenRaw(raw.Owner, raw, out Space? space));
        rig.Tpm.Faults.Warn(Rc.Retry, times: 1_000_000, command: Cmd.ContextSaveCode);
        Assert.True(space.TrySubmit(Cmd.GetRandom(40)));
        long start = rig.Time.GetTimestamp();
        while (!raw.IsDone && rig.Time.GetElapsedTime(start) < TimeSpan.FromMinutes(3))
        {
            for (int i = 0; i < 100 && !raw.IsDone; i++)
            {
                rig.Manager.RunOne();
            }

            rig.Time.Advance(TimeSpan.FromMilliseconds(50));
        }

        Assert.True(raw.IsDone);
        Assert.Equal(Rc.Retry, new Answer(raw.Response!).Code);
    }
}
