using System.Globalization;
using System.Text.RegularExpressions;
using TpmFs.Configuration;

namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>
/// README.md and CONTRIBUTING.md: figures are those that were measured, links and paths lead somewhere. mutations.md:
/// its tests are there.
/// </summary>
public sealed partial class ReadmeTests
{
    private static string Text => File.ReadAllText(Path.Combine(Repository.Folder, "README.md"));

    [Theory]
    [InlineData("TPM commands for one HMAC", "TPM commands per client command", "HMAC, 3 keys in turn", 1)]
    [InlineData(
        "one such HMAC on a TPM as slow", "Time per client command with the latencies of infineon-slb9670",
        "HMAC, 3 keys in turn", 1000)]
    [InlineData(
        "one GetRandom there", "Time per client command with the latencies of infineon-slb9670",
        "GetRandom, 3 keys and 3 sessions held", 1000)]
    public void A_figure_is_the_one_in_performance_md(string row, string table, string workload, int unit)
    {
        string[] shown = Cells(Text, row);
        string measured = File.ReadAllText(Path.Combine(Repository.Folder, "docs/performance.md"));
        string[] cells = Cells(measured[measured.IndexOf(table, StringComparison.Ordinal)..], workload);
        (string tpmfs, string abrmd, string kernel) = (cells[2], cells[3], cells[4]);
        Assert.Equal(
            [Rounded(kernel, unit), Rounded(abrmd, unit), Rounded(tpmfs, unit)],
            shown[1..4].Select(cell => cell.Replace(" ms", "", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_link_leads_to_a_file() => Assert.All(
        Directory.GetFiles(Path.Combine(Repository.Folder, "docs"), "*.md", SearchOption.AllDirectories)
            .Concat(Directory.GetFiles(Repository.Folder, "*.md")),
        document => Assert.All(
            Link().Matches(File.ReadAllText(document)).Select(match => match.Groups[1].Value)
                .Where(link => !link.Contains(':')),
            link => Assert.True(
                Path.Exists(Path.Combine(Path.GetDirectoryName(document)!, link)),
                $"{document} leads to {link}, which is not there.")));

    [Fact]
    public void A_document_of_the_package_leads_to_documents_of_the_package()
    {
        // What dist/debian/rules leaves out of docs/, by "-X", is for developers, as docs/decisions is.
        string rules = File.ReadAllText(Path.Combine(Repository.Folder, "dist/debian/rules"));
        string[] left = [.. LeftOut().Matches(rules).Select(match => match.Groups[1].Value)];
        Assert.Contains("architecture", left);
        string docs = Path.Combine(Repository.Folder, "docs");
        var texts = Directory.GetFiles(docs, "*.md").Select(path => Path.GetFileName(path))
            .Where(name => !left.Any(part => name.StartsWith(part, StringComparison.Ordinal)))
            .ToDictionary(name => name, name => File.ReadAllText(Path.Combine(docs, name)));
        (int code, string readme, string _) = Tool.Run(
            "sed", [$"--file={Repository.Folder}/dist/debian/readme.sed", $"{Repository.Folder}/README.md"]);
        Assert.Equal(0, code);
        texts.Add("README.md", readme);

        // Beside a link to a file of dist/ stands what it is called in the package.
        string[] others = ["../dist/grafana/tpmfs.json", "../dist/kubernetes/tpmfs.yaml",
            .. Directory.GetFiles(docs).Select(path => Path.GetFileName(path)).Where(name =>
                !name.EndsWith(".md", StringComparison.Ordinal)
                && rules.Contains($"docs/*{Path.GetExtension(name)} ", StringComparison.Ordinal))];
        Assert.All(texts, document => Assert.All(
            Link().Matches(document.Value).Select(match => match.Groups[1].Value).Where(link => !link.Contains(':')),
            link => Assert.True(
                texts.ContainsKey(link) || others.Contains(link),
                $"{document.Key} leads to {link}, which the package does not have.")));
    }

    /// <summary>As in: [containers.md](containers.md), "Users and user namespaces".</summary>
    [Fact]
    public void A_section_that_stands_beside_a_link_is_in_the_document() => Assert.All(
        Directory.GetFiles(Path.Combine(Repository.Folder, "docs"), "*.md"),
        document => Assert.All(
            NamedSection().Matches(File.ReadAllText(document)),
            named => Assert.Contains(
                $"# {string.Join(' ', named.Groups[2].Value.Split((char[])[' ', '\n']))}",
                File.ReadAllLines(Path.Combine(Path.GetDirectoryName(document)!, named.Groups[1].Value))
                    .Select(line => line.TrimStart('#') is var title && title != line ? $"#{title}" : ""))));

    [Fact]
    public void A_path_in_CONTRIBUTING_md_is_there() => Assert.All(
        NamedPath().Matches(File.ReadAllText(Path.Combine(Repository.Folder, "CONTRIBUTING.md")))
            .Select(match => match.Groups[1].Value),
        path => Assert.True(
            Path.Exists(Path.Combine(Repository.Folder, path)),
            $"CONTRIBUTING.md names {path}, which is not there: say what took its place."));

    [Fact]
    public void A_test_that_mutations_md_names_is_there()
    {
        string tests = string.Concat(Directory.GetFiles(Path.Combine(Repository.Folder, "tests/Rm"), "*.cs",
            SearchOption.AllDirectories).Select(File.ReadAllText));
        MatchCollection named = NamedTest().Matches(
            File.ReadAllText(Path.Combine(Repository.Folder, "docs/mutations.md")));
        Assert.NotEmpty(named);
        Assert.All(named, test =>
        {
            Assert.Contains($"class {test.Groups[1].Value}", tests, StringComparison.Ordinal);
            Assert.Contains($" {test.Groups[2].Value}(", tests, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void A_test_that_threat_model_md_names_is_there()
    {
        string[] files = [.. Directory.GetFiles(
            Path.Combine(Repository.Folder, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .Select(file => Path.GetFileNameWithoutExtension(file)!)];
        MatchCollection named = NamedTestClass().Matches(
            File.ReadAllText(Path.Combine(Repository.Folder, "docs/threat-model.md")));
        Assert.NotEmpty(named);
        Assert.All(named, test => Assert.Contains(test.Value, files));
    }

    /// <summary>Returns the cells of the first row of a table that begins with these words.</summary>
    private static string[] Cells(string text, string row) => [.. text.Split('\n')
        .First(line => line.StartsWith($"| {row}", StringComparison.Ordinal)).Trim('|').Split('|')
        .Select(cell => cell.Trim())];

    /// <summary>Returns the median of a measured cell as the README gives it: with one decimal below 10.</summary>
    private static string Rounded(string cell, int unit)
    {
        double value = double.Parse(cell.Split(' ')[0], CultureInfo.InvariantCulture) / unit;
        return value.ToString(value < 10 && unit > 1 ? "0.0" : "0", CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"\]\(([^)#\s]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"\]\(([^)#\s]+\.md)\),\s""([^""]+)""")]
    private static partial Regex NamedSection();

    [GeneratedRegex("-X([a-z-]+)")]
    private static partial Regex LeftOut();

    [GeneratedRegex(@"`(\w+Tests)\.(\w+)`")]
    private static partial Regex NamedTest();

    [GeneratedRegex(@"\b[A-Z]\w+Tests\b")]
    private static partial Regex NamedTestClass();

    [GeneratedRegex("`((?:src|tests|docs|dist|build|bench)/[^`*…]*)`")]
    private static partial Regex NamedPath();
}
