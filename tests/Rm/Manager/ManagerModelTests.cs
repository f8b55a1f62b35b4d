using System.Globalization;
using TpmFs.Rm.Tests.Model;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Manager;

/// <summary>
/// The resource manager against the ideal TPM: random commands of several openers, and every answer compared.
/// </summary>
public sealed class ManagerModelTests
{
    private static readonly ModelLimits s_tight = new(ObjectsMax: 7, SessionsMax: 4, SavedSessionsMax: 5);

    private static readonly TpmParameters s_smallGap = new() { ContextGap = 255 };

    /// <summary>How long the long run is, in commands; set for a soak.</summary>
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

    private static void Check(int openers, int runs, bool hasPower = false) =>
        ManagerModel.Check(
            new ModelSettings(openers, s_tight) { HasPower = hasPower }, () => new RigUnderTest(s_tight, s_smallGap),
            runs);
}
