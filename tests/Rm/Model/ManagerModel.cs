using System.Globalization;
using FsCheck;
using FsCheck.Fluent;

namespace TpmFs.Rm.Tests.Model;

/// <summary>Holds a resource manager against the ideal TPM.</summary>
internal static class ManagerModel
{
    /// <summary>SplitMix64's: odd, and unlike any small seed.</summary>
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;

    /// <summary>The same runs every time, unless the environment says otherwise.</summary>
    public static ulong Seed { get; } =
        ulong.Parse(Environment.GetEnvironmentVariable("TPMFS_MODEL_SEED") ?? "1", CultureInfo.InvariantCulture);

    /// <summary>Many short runs; a difference is shrunk to few actions before it is shown.</summary>
    public static void Check(ModelSettings settings, Func<IManagerUnderTest> manager, int runs, int longest = 200)
    {
        Property property = Prop.ForAll(
            ModelGenerator.Actions(settings.Openers, longest), actions => Holds(settings, manager, actions));
        property.Check(
            Config.QuickThrowOnFailure.WithMaxTest(runs).WithQuietOnSuccess(true)
                .WithReplay(Seed * GoldenGamma, GoldenGamma));
    }

    /// <summary>One long run: the difference, when there is one.</summary>
    public static string? Soak(ModelSettings settings, Func<IManagerUnderTest> manager, int seed, long commands)
    {
        using IManagerUnderTest underTest = manager();
        var run = new ModelRun(settings, underTest);
        return run.Run(ModelGenerator.Endless(settings.Openers, seed).TakeWhile(_ => run.Compared < commands))
            && run.Finish() ? null : run.Difference;
    }

    private static Property Holds(ModelSettings settings, Func<IManagerUnderTest> manager, List<ModelAction> actions)
    {
        using IManagerUnderTest underTest = manager();
        var run = new ModelRun(settings, underTest);
        return (run.Run(actions) && run.Finish()).Label(run.Difference ?? string.Empty);
    }
}
