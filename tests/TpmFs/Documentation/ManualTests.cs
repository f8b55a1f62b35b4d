using System.CommandLine;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using TpmFs.CommandLine;
using TpmFs.Configuration;

namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>
/// The manual pages: without mistakes, and with exactly what there is. (What is in the tree is held against a real
/// one.)
/// </summary>
public sealed partial class ManualTests
{
    public static TheoryData<string> Pages => [.. Directory.GetFiles(Folder).Select(path => Path.GetFileName(path))];

    private static string Folder => Path.Combine(Repository.Folder, "docs/man");

    [Theory]
    [MemberData(nameof(Pages))]
    public void A_page_is_without_a_warning_for_mandoc_and_for_groff(string page)
    {
        string path = Path.Combine(Folder, page);
        (int Code, string Output, string Error) mandoc = Tool.Run("mandoc", "-Tlint", "-Wwarning", path);
        Assert.Equal((0, "", ""), mandoc);
        (int code, string? output, string? error) = Tool.Run("groff", "-mandoc", "-Tutf8", "-ww", "-P-cbou", path);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("NAME", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Tpmfs_8_has_every_command_and_option_and_no_other()
    {
        string text = File.ReadAllText(Path.Combine(Folder, "tpmfs.8"));
        RootCommand root = Commands.Root();
        Command[] shown = [.. root.Subcommands.Where(command => !command.Hidden)];
        Assert.Equal(
            shown.Select(command => command.Name).Order(StringComparer.Ordinal),
            Command().Matches(text).Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal));
        Assert.Equal(
            shown.Append(root).SelectMany(command => command.Options).Select(option => option.Name).Distinct()
                .Order(StringComparer.Ordinal),
            Option().Matches(text).Select(match => "-" + match.Groups[1].Value).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Tpmfs_json_5_has_every_key_and_no_other()
    {
        string text = File.ReadAllText(Path.Combine(Folder, "tpmfs.json.5"));
        var keys = KeysOf(SettingsKeys.All.Schema()).ToHashSet(StringComparer.Ordinal);
        var named = Literal().Matches(text).SelectMany(match => match.Groups[1].Value.Split(' '))
            .ToHashSet(StringComparer.Ordinal);
        IEnumerable<string> items = Item().Matches(text).SelectMany(match => match.Groups[1].Value.Split(" , "));
        Assert.Empty(keys.Except(named));
        Assert.Empty(items.Except(keys));
    }

    private static IEnumerable<string> KeysOf(JsonNode? schema) => schema is not JsonObject of ? []
        : of.SelectMany(
            pair => pair is { Key: "properties", Value: JsonObject properties }
                ? properties.Select(property => property.Key)
                    .Concat(properties.SelectMany(property => KeysOf(property.Value))) : KeysOf(pair.Value));

    [GeneratedRegex(@"^\.It Cm ([a-z-]+)", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex(@"^\.It Fl (-[a-z-]+)", RegexOptions.Multiline)]
    private static partial Regex Option();

    [GeneratedRegex(@"^\.(?:It )?Li (.*)$", RegexOptions.Multiline)]
    private static partial Regex Literal();

    [GeneratedRegex(@"^\.It Li (.*)$", RegexOptions.Multiline)]
    private static partial Regex Item();
}
