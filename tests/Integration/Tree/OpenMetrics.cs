using System.Globalization;
using System.Text.RegularExpressions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// Reads an exposition strictly by the OpenMetrics 1.0 specification, as far as gauges, counters, infos and state sets
/// go; whatever breaks it fails the test with its line.
/// </summary>
internal sealed partial class OpenMetrics
{
    private const string Name = "(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)";
    private const string Label = "(?<label>[a-zA-Z_][a-zA-Z0-9_]*)=\"([^\"\\\\\n]|\\\\[\\\\n\"])*\"";
    private const string Value = "(?<value>[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?Inf|NaN)";

    private readonly Dictionary<string, double> _samples = [];
    private readonly HashSet<string> _families = [];
    private string _family = "";
    private string _type = "unknown";
    private bool _sampled;

    /// <summary>Every sample by its name and labels, as they stand there.</summary>
    public IReadOnlyDictionary<string, double> Samples => _samples;

    public static OpenMetrics Parse(string text)
    {
        Assert.EndsWith("# EOF\n", text, StringComparison.Ordinal);
        var metrics = new OpenMetrics();
        string[] lines = text.Split('\n');
        foreach (string line in lines[..^2])
        {
            if (Metadata().Match(line) is { Success: true } metadata)
            {
                metrics.Describe(
                    metadata.Groups["family"].Value, metadata.Groups["kind"].Value, metadata.Groups["text"].Value,
                    line);
            }
            else
            {
                Assert.True(Sample().IsMatch(line), $"neither a sample nor metadata: {line}");
                metrics.Add(Sample().Match(line), line);
            }
        }

        return metrics;
    }

    /// <summary>
    /// TYPE, UNIT and HELP come once each, before the samples of their family, and a family's lines stand together.
    /// </summary>
    private void Describe(string family, string kind, string text, string line)
    {
        if (family != _family)
        {
            Assert.True(_families.Add(family), $"the family comes twice: {line}");
            (_family, _type, _sampled) = (family, "unknown", false);
        }

        Assert.True(_families.Add($"{family} {kind}"), $"said twice: {line}");
        Assert.False(_sampled, $"metadata behind samples: {line}");
        switch (kind)
        {
            case "TYPE":
                Assert.Contains(text, (string[])["gauge", "counter", "info", "stateset", "unknown"]);
                bool misnamed = text == "counter" && family.EndsWith("_total", StringComparison.Ordinal);
                Assert.False(misnamed, $"_total belongs to the sample, not to the family: {line}");
                _type = text;
                break;
            case "UNIT":
                Assert.True(
                    text.Length == 0 || family.EndsWith("_" + text, StringComparison.Ordinal),
                    $"the name does not end in the unit: {line}");
                break;
            default:
                Assert.Matches(@"^([^\\""]|\\[\\n""])*$", text);
                break;
        }
    }

    private void Add(Match sample, string line)
    {
        string name = sample.Groups["name"].Value;
        string expected = _type switch { "counter" => _family + "_total", "info" => _family + "_info", _ => _family };
        bool fits = name == expected || (_type == "counter" && name == _family + "_created");
        Assert.True(fits, $"no sample of the family {_family}, a {_type}: {line}");
        _sampled = true;
        CaptureCollection labels = sample.Groups["label"].Captures;
        Assert.Equal(labels.Count, labels.Select(label => label.Value).Distinct().Count());
        double value = double.Parse(sample.Groups["value"].Value, CultureInfo.InvariantCulture);
        Assert.False(_type is "counter" && (value < 0 || double.IsNaN(value)), line);
        Assert.False(_type is "info" && value != 1, line);
        Assert.True(_samples.TryAdd(name + sample.Groups["labels"].Value, value), $"the sample comes twice: {line}");
    }

    [GeneratedRegex(@"^# (?<kind>TYPE|UNIT|HELP) (?<family>[a-zA-Z_:][a-zA-Z0-9_:]*) (?<text>.*)$")]
    private static partial Regex Metadata();

    [GeneratedRegex($"^{Name}(?<labels>{{({Label}(,(?!}})|(?=}})))*}})? {Value}( [0-9]+(\\.[0-9]+)?)?$")]
    private static partial Regex Sample();
}
