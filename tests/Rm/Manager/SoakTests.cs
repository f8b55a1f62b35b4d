using System.Diagnostics;
using System.Globalization;
using TpmFs.Rm.Tests.Model;
using TpmFs.Simulation;
using Xunit.Abstractions;

namespace TpmFs.Rm.Tests.Manager;

/// <summary>
/// The resource manager against the ideal TPM with new seeds every time, for as long as TPMFS_SOAK_SECONDS says in all
/// (make soak); for a moment otherwise. A seed that finds a difference is tried again by TPMFS_SOAK_SEED.
/// </summary>
public sealed class SoakTests(ITestOutputHelper output)
{
    private const int CommandsOfARun = 20_000;
    private const int Kinds = 4;

    private static readonly TimeSpan s_time = TimeSpan.FromSeconds(
        double.Parse(Environment.GetEnvironmentVariable("TPMFS_SOAK_SECONDS") ?? "2", CultureInfo.InvariantCulture)
            / Kinds);

    [Theory]
    [InlineData(1, true, 0xFFFFu)]
    [InlineData(5, true, 255u)]
    [InlineData(64, false, 255u)]
    [InlineData(64, true, 0xFFFFu)]
    public void Any_seed_shows_an_ideal_tpm_to_every_opener(int openers, bool hasPower, uint contextGap)
    {
        var limits = new ModelLimits(ObjectsMax: 7, SessionsMax: 4, SavedSessionsMax: 5);
        var settings = new ModelSettings(openers, limits) { HasPower = hasPower };
        var clock = Stopwatch.StartNew();
        long commands = 0;
        foreach (int seed in Seeds())
        {
            string? difference = ManagerModel.Soak(
                settings, () => new RigUnderTest(limits, new TpmParameters { ContextGap = contextGap }), seed,
                CommandsOfARun);
            Assert.True(difference is null, $"TPMFS_SOAK_SEED={seed}: {difference}");
            output.WriteLine($"seed {seed}: no difference");
            commands += CommandsOfARun;
            if (clock.Elapsed > s_time)
            {
                break;
            }
        }

        output.WriteLine($"{commands:N0} commands of {openers} openers in {clock.Elapsed.TotalSeconds:0} s");
    }

    private static IEnumerable<int> Seeds()
    {
        if (Environment.GetEnvironmentVariable("TPMFS_SOAK_SEED") is { } fixedSeed)
        {
            yield return int.Parse(fixedSeed, CultureInfo.InvariantCulture);
            yield break;
        }

        while (true)
        {
            yield return Random.Shared.Next();
        }
    }
}
