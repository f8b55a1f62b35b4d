using System.Globalization;
using TpmFs.Rm.Tests.Model;
using TpmFs.Simulation;
using Xunit.Abstractions;

namespace TpmFs.Rm.Tests.Manager;

/// <summary>
/// The resource manager against the ideal TPM: random commands of several openers, and every answer compared.
/// </summary>
public sealed class ManagerModelTests(ITestOutputHelper output)
{
    private static readonly ModelLimits s_tight = new(ObjectsMax: 7, SessionsMax: 4, SavedSessionsMax: 5);

    private static readonly TpmParameters s_smallGap = new() { ContextGap = 255 };

    /// <summary>The length of the long run, in commands; set for a soak.</summary>
    private static readonly long s_soakCommands =
        long.Parse(Environment.GetEnvironmentVariable("TPMFS_SOAK_COMMANDS") ?? "100000", CultureInfo.InvariantCulture);

    [Fact]
    public void One_opener_sees_an_ideal_tpm() => Check(openers: 1, runs: 1000);

    [Fact]
    public void Five_openers_each_see_an_ideal_tpm() => Check(openers: 5, runs: 1000);

    [Fact]
    public void The_machine_sleeps_and_loses_power_in_between() => Check(openers: 3, runs: 1000, hasPower: true);

    [Fact]
    public void Sixty_four_openers_see_ideal_tpms_for_a_long_time() =>
        Assert.Null(
            ManagerModel.Soak(
                new ModelSettings(64, s_tight), () => new RigUnderTest(s_tight, s_smallGap),
                seed: (int)ManagerModel.Seed, s_soakCommands));

    [Fact]
    public void The_mirror_has_all_that_the_manager_knows_after_each_command() =>
        Assert.Null(
            ManagerModel.Soak(
                new ModelSettings(8, s_tight) { HasPower = true },
                () => new RigUnderTest(s_tight, s_smallGap, checks: true), seed: (int)ManagerModel.Seed, 3000));

    /// <summary>Managers die at random moments of the commands, of their own work, and of their starts.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(5, true)]
    [InlineData(64, false)]
    public void Managers_die_at_any_moment_and_no_opener_notices(int openers, bool hasPower)
    {
        RigUnderTest? rig = null;
        string? difference = ManagerModel.Soak(
            new ModelSettings(openers, s_tight) { HasPower = hasPower },
            () => rig = new RigUnderTest(s_tight, s_smallGap, new Random((int)ManagerModel.Seed)),
            seed: (int)ManagerModel.Seed, s_soakCommands / 40);
        Assert.True(difference is null, difference);
        output.WriteLine($"{rig!.Deaths:N0} managers died");
        Assert.True(rig.Deaths > s_soakCommands / 200);
    }

    private static void Check(int openers, int runs, bool hasPower = false) =>
        ManagerModel.Check(
            new ModelSettings(openers, s_tight) { HasPower = hasPower }, () => new RigUnderTest(s_tight, s_smallGap),
            runs);
}
