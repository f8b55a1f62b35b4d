using System.Diagnostics;
using System.Globalization;
using TpmFs.Vm.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Vm.Tests;

/// <summary>
/// The same actions on the kernel's /dev/tpmrm0 and on TpmFs over /dev/tpmN, on its rm0 and then on the character
/// device of rm0, their TPMs twins: whatever differs is in differential/differences.json and in docs/differences.md, or
/// is a failure.
/// </summary>
[Collection(GuestCollection.Name)]
public sealed class DifferentialTests(Guest guest, ScriptedRun scripted, ITestOutputHelper output)
    : IClassFixture<ScriptedRun>
{
    private const int ActionsOfPart = 2000;

    /// <summary>Of the guest's time: what fails is shrunk.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(10);

    public static TheoryData<string> Names =>
        [.. Shown("node").Select(one => one.Name)];

    [Fact]
    public void Scripted_actions_differ_only_where_it_is_meant() =>
        Assert.Equal("", string.Join('\n', scripted.Result.Unexplained));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_difference_that_is_listed_shows(string name)
    {
        Difference difference = Difference.All.Single(one => one.Name == name);
        Assert.Empty(difference.Cases.Except(scripted.Result.Found.Keys));
    }

    [Fact]
    public void A_device_differs_where_its_node_does_and_where_that_is_meant()
    {
        var run = DifferentialRun.In(guest, "device", ScriptedRun.Limit);
        Assert.Equal("", string.Join('\n', run.Unexplained));
        Assert.Empty(Shown("device").SelectMany(difference => difference.Cases).Except(run.Found.Keys));
    }

    [Fact]
    public void The_document_has_every_difference_and_no_other()
    {
        string[] lines = File.ReadAllLines(Path.Combine(Guest.Repository, "docs", "differences.md"));
        Assert.Equal(Difference.All.Where(one => one.Only != "device").Select(one => one.Row), FirstTable(lines));
        Assert.Equal(
            Difference.All.Where(one => one.Only == "device").Select(one => one.Row),
            FirstTable(lines.SkipWhile(line => line != "## The character device")));
    }

    /// <summary>The differences that show by one way to TpmFs, in a run of this length.</summary>
    private static IEnumerable<Difference> Shown(string way) =>
        Difference.All.Where(one => (DifferentialRun.IsSoak || !one.Slow) && one.Only is null || one.Only == way);

    private static IEnumerable<string> FirstTable(IEnumerable<string> lines) =>
        lines.SkipWhile(line => !line.StartsWith('|')).TakeWhile(line => line.StartsWith('|')).Skip(2);

    /// <summary>
    /// Once, or for TPMFS_SOAK_SECONDS, with seeds that follow from one that is printed; TPMFS_SOAK_SEED repeats it.
    /// </summary>
    /// <param name="way">The way to TpmFs: the node, or its character device.</param>
    [Theory]
    [InlineData("node")]
    [InlineData("device")]
    public void Random_clients_see_no_other_difference(string way)
    {
        int seconds =
            int.Parse(Environment.GetEnvironmentVariable("TPMFS_SOAK_SECONDS") ?? "0", CultureInfo.InvariantCulture);
        string seed = Environment.GetEnvironmentVariable("TPMFS_SOAK_SEED") ?? $"{Random.Shared.Next()}";
        var clock = Stopwatch.StartNew();
        int actions = 0;
        for (int part = 1; part == 1 || clock.Elapsed.TotalSeconds < seconds; part++)
        {
            var run = DifferentialRun.In(guest, $"{way} random {ActionsOfPart} {seed}/{part}", s_limit);
            IEnumerable<string> actionsOfFailures = run.Failures!.SelectMany(failure => failure.Actions);
            Assert.True(
                run.Unexplained.Length == 0,
                $"seed {seed}: {string.Join('\n', [.. run.Unexplained, .. actionsOfFailures])}");
            actions += run.Actions;
        }

        output.WriteLine($"{way}, seed {seed}: {actions} actions");
        Assert.InRange(actions, ActionsOfPart, int.MaxValue);
    }
}

/// <summary>All scripted actions, done once.</summary>
public sealed class ScriptedRun(Guest guest)
{
    internal static TimeSpan Limit => TimeSpan.FromMinutes(DifferentialRun.IsSoak ? 30 : 10);

    internal DifferentialRun Result { get; } = DifferentialRun.In(guest, "node", Limit);
}
