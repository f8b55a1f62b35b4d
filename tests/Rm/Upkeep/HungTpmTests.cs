using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Upkeep;

/// <summary>A TPM that can be reached and answers nothing.</summary>
public sealed class HungTpmTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(120);

    /// <summary>The first command ended with ETIME, and all others with EIO.</summary>
    [Fact]
    public void Every_command_of_a_hung_tpm_fails_because_it_has_timed_out()
    {
        using var rig = new Rig();
        Opener first = rig.Open(), waiting = rig.Open();
        Hang(rig);
        first.Send(Cmd.GetRandom(40));
        waiting.Send(Cmd.ReadClock());
        Assert.Equal(SpaceFailure.TimedOut, FailureOf(rig, first));
        Assert.Equal(SpaceFailure.TimedOut, FailureOf(rig, waiting));
        for (int i = 0; i < 3; i++)
        {
            Opener late = rig.Open();
            late.Send(Cmd.ReadClock());
            Assert.Equal(SpaceFailure.TimedOut, FailureOf(rig, late));
        }
    }

    [Fact]
    public void A_command_that_comes_while_a_tpm_hangs_is_not_kept_for_as_long_as_the_first()
    {
        using var rig = new Rig();
        Opener first = rig.Open(), late = rig.Open();
        Hang(rig);
        first.Send(Cmd.GetRandom(40));
        FailureOf(rig, first);
        long start = rig.Time.GetTimestamp();
        late.Send(Cmd.ReadClock());
        FailureOf(rig, late);
        Assert.InRange(rig.Time.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public void Openers_go_on_with_what_they_hold_when_a_hung_tpm_answers_again()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint key = opener.NewKeys(1)[0];
        Hang(rig);
        opener.Send(Cmd.GetRandom(40));
        FailureOf(rig, opener);
        rig.Tpm.Faults.Clear();
        opener.Must(Cmd.Sign(key, "text"));
    }

    [Fact]
    public void A_tpm_that_goes_away_is_not_said_to_hang()
    {
        using var rig = new Rig();
        Opener first = rig.Open(), next = rig.Open();
        Hang(rig);
        first.Send(Cmd.GetRandom(40));
        FailureOf(rig, first);
        rig.Tpm.Faults.Clear();
        rig.Settle();
        next.Must(Cmd.ReadClock());
        rig.Tpm.IsReachable = false;
        rig.Tpm.Faults.Break(TransmitStatus.NotSent, executed: false);
        next.Send(Cmd.ReadClock());
        Assert.Equal(SpaceFailure.TransportLost, FailureOf(rig, next));
    }

    [Fact]
    public void A_configured_limit_is_the_longest_that_a_command_may_take()
    {
        using var rig = new Rig(options: new ResourceManagerOptions { CommandTimeout = TimeSpan.FromSeconds(3) });
        Opener opener = rig.Open();
        Hang(rig);
        foreach (byte[] command in (byte[][])[Cmd.GetRandom(40), Cmd.CreatePrimary(Handles.Owner, Templates.Signing())])
        {
            long start = rig.Time.GetTimestamp();
            opener.Send(command);
            rig.Manager.RunOne();
            Assert.Equal(TimeSpan.FromSeconds(3), rig.Tpm.LastLimit);
            FailureOf(rig, opener);
            rig.Tpm.Faults.Clear();
            rig.Settle();
            Hang(rig);
        }
    }

    private static void Hang(Rig rig) => rig.Tpm.Faults.Hang(() => rig.Time.Advance(rig.Tpm.LastLimit));

    private static SpaceFailure? FailureOf(Rig rig, Opener opener)
    {
        long start = rig.Time.GetTimestamp();
        while (!opener.IsDone && rig.Time.GetElapsedTime(start) < 2 * s_limit)
        {
            while (!opener.IsDone && rig.Manager.RunOne())
            {
            }

            rig.Time.Advance(TimeSpan.FromMilliseconds(100));
        }

        return opener.Failure;
    }
}
