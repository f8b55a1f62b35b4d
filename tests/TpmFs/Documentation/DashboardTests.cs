using System.Text.Json;
using System.Text.RegularExpressions;
using TpmFs.Configuration;
using TpmFs.Daemon.Tests.Tree;

namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>The dashboard for Grafana asks for nothing that the metrics do not have.</summary>
public sealed partial class DashboardTests
{
    /// <summary>The labels that Prometheus adds to each sample that it collects.</summary>
    private const string Instance = "instance";

    private static readonly JsonElement s_dashboard = JsonDocument.Parse(
        File.ReadAllText(Path.Combine(Repository.Folder, "dist/grafana/tpmfs.json"))).RootElement;

    [Fact]
    public void Every_query_names_samples_and_labels_that_there_are()
    {
        (HashSet<string> samples, HashSet<string> labels) = Metrics();
        string[] queries = [.. Targets().Select(target => Text(target, "expr")), .. Variables()];
        Assert.InRange(queries.Length, 10, 100);
        Assert.All(queries, query =>
        {
            string[] named = [.. Sample().Matches(query).Select(match => match.Value)];
            Assert.NotEmpty(named);
            Assert.All(named, name => Assert.Contains(name, samples));
            Assert.All(Label().Matches(query).Select(match => match.Groups[1].Value),
                name => Assert.Contains(name, labels));
        });
    }

    [Fact]
    public void Every_label_of_a_legend_is_one_of_its_query()
    {
        (_, HashSet<string> labels) = Metrics();
        Assert.All(Targets(), target =>
        {
            string query = Text(target, "expr");
            Assert.All(Legend().Matches(Text(target, "legendFormat")).Select(match => match.Groups[1].Value), label =>
            {
                Assert.Contains(label, labels);
                // A sum has only the labels that it is made by.
                Assert.True(
                    !query.Contains("sum", StringComparison.Ordinal)
                        || query.Contains($"by ({label})", StringComparison.Ordinal),
                    query);
            });
        });
    }

    [Fact]
    public void A_counter_is_shown_as_what_it_grows_by_and_a_gauge_as_it_is() =>
        Assert.All(Targets().Select(target => Text(target, "expr")), query =>
            Assert.Equal(
                query.Contains("_total", StringComparison.Ordinal),
                query.Contains("rate(", StringComparison.Ordinal)
                    || query.Contains("increase(", StringComparison.Ordinal)));

    [Fact]
    public void No_panel_lies_on_another_and_each_says_what_it_shows()
    {
        var taken = new HashSet<(int X, int Y)>();
        Assert.All(Panels(), panel =>
        {
            Assert.NotEmpty(Text(panel, "description"));
            JsonElement place = panel.GetProperty("gridPos");
            (int x, int y) = (place.GetProperty("x").GetInt32(), place.GetProperty("y").GetInt32());
            (int width, int height) = (place.GetProperty("w").GetInt32(), place.GetProperty("h").GetInt32());
            Assert.InRange(x + width, 1, 24);
            Assert.All(
                from column in Enumerable.Range(x, width) from row in Enumerable.Range(y, height) select (column, row),
                cell => Assert.True(taken.Add(cell), $"{Text(panel, "title")} at {cell}"));
        });
    }

    /// <summary>The names of all samples that a tree has, and of their labels.</summary>
    private static (HashSet<string> Samples, HashSet<string> Labels) Metrics()
    {
        using var tree = new TreeFixture();
        MatchCollection samples = SampleLine().Matches(tree.Read("metrics"));
        return ([.. samples.Select(match => match.Groups[1].Value)],
            [Instance, .. samples.SelectMany(sample => Label().Matches(sample.Value))
                .Select(match => match.Groups[1].Value)]);
    }

    private static JsonElement.ArrayEnumerator Panels() => s_dashboard.GetProperty("panels").EnumerateArray();

    private static IEnumerable<JsonElement> Targets() =>
        Panels().SelectMany(panel => panel.GetProperty("targets").EnumerateArray());

    private static IEnumerable<string> Variables() =>
        s_dashboard.GetProperty("templating").GetProperty("list").EnumerateArray()
            .Where(variable => Text(variable, "type") == "query").Select(variable => Text(variable, "definition"));

    private static string Text(JsonElement of, string property) => of.GetProperty(property).GetString()!;

    [GeneratedRegex("tpmfs_[a-z_]+")]
    private static partial Regex Sample();

    [GeneratedRegex(@"^(tpmfs_[a-z_]+)(\{.*\})? [0-9.E+-]+$", RegexOptions.Multiline)]
    private static partial Regex SampleLine();

    [GeneratedRegex(@"([a-z]+)=~?""")]
    private static partial Regex Label();

    [GeneratedRegex(@"\{\{([a-z]+)\}\}")]
    private static partial Regex Legend();
}
