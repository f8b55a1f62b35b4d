using System.Diagnostics;
using System.Globalization;
using TpmFs.Vm.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Vm.Tests;

/// <summary>
/// The same actions on the kernel's /dev/tpmrm0 and on TpmFs over /dev/tpmN, on its rm0 and then on the character
/// device of rm0, and others on /dev/tpmN and on raw0, their TPMs twins: whatever differs is in
/// differential/differences.json and in docs/differences.md, or is a failure.
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

    [Theory]
    [InlineData("device")]
    [InlineData("raw")]
    public void Another_way_differs_only_where_it_is_meant_and_everywhere_there(string way)
    {
        var run = DifferentialRun.In(guest, way, ScriptedRun.Limit);
        Assert.Equal("", string.Join('\n', run.Unexplained));
        Assert.Empty(Shown(way).SelectMany(difference => difference.Cases).Except(run.Found.Keys));
    }

    [Fact]
    public void The_document_has_every_difference_and_no_other()
    {
        string[] lines = File.ReadAllLines(Path.Combine(Guest.Repository, "docs", "differences.md"));
        Assert.Equal(Rows(difference => difference.IsOf("node")), FirstTable(lines));
        Assert.Equal(Rows(IsOnlyOf("device")), TableBelow("## The character device"));
        Assert.Equal(Rows(IsOnlyOf("raw")), TableBelow("## raw0 and /dev/tpm0"));

        IEnumerable<string> TableBelow(string heading) => FirstTable(lines.SkipWhile(line => line != heading));
    }

    /// <summary>The document names the rows of the first table that are about the file, one by one.</summary>
    [Fact]
    public void The_document_names_the_rows_that_hold_for_raw0_as_well()
    {
        IEnumerable<string> lines = File.ReadLines(Path.Combine(Guest.Repository, "docs", "differences.md"))
            .SkipWhile(line => line != "## raw0 and /dev/tpm0")
            .Where(line => line.StartsWith("- ", StringComparison.Ordinal));
        Assert.Equal(
            Difference.All.Where(one => one.IsOf("node") && one.IsOf("raw")).Select(one => "- " + one.Name), lines);
    }

    [Fact]
    public void Every_difference_has_an_action_that_shows_it_or_says_why_none_can() =>
        Assert.All(Difference.All, one => Assert.NotEqual(one.Cases.Length == 0, one.NotRun is null));

    /// <summary>The differences that show by one way to TpmFs, in a run of this length.</summary>
    private static IEnumerable<Difference> Shown(string way) =>
        Difference.All.Where(one => (DifferentialRun.IsSoak || !one.Slow) && one.IsOf(way));

    private static Func<Difference, bool> IsOnlyOf(string way) => one => one.IsOf(way) && !one.IsOf("node");

    private static IEnumerable<string> Rows(Func<Difference, bool> which) =>
        Difference.All.Where(which).Select(one => one.Row);

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
