using System.Reflection;
using System.Text.RegularExpressions;
using TpmFs.Configuration;
using TpmFs.Logs;

namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>The journal's catalog explains every type of event, once, and no other.</summary>
public sealed partial class CatalogTests
{
    [Fact]
    public void Every_type_of_event_is_in_the_catalog_once_and_nothing_else_is()
    {
        IEnumerable<EventType> types = typeof(EventType).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(field => field.GetValue(null)).OfType<EventType>();
        Assert.Equal(
            types.Select(type => type.MessageId).Order(StringComparer.Ordinal),
            Entry().Matches(Text).Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Journalctl_takes_the_catalog()
    {
        string root = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
        try
        {
            string folder = Directory.CreateDirectory(Path.Combine(root, "usr/lib/systemd/catalog")).FullName;
            File.WriteAllText(Path.Combine(folder, "tpmfs.catalog"), Text);
            Assert.Equal((0, "", ""), Tool.Run("journalctl", "--update-catalog", $"--root={root}"));
            (int code, string? output, string _) = Tool.Run("journalctl", "--list-catalog", $"--root={root}");
            Assert.Equal(0, code);
            Assert.Equal(Entry().Count(Text), output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
            Assert.Contains("tpmfs: A command was refused", output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static string Text => File.ReadAllText(Path.Combine(Repository.Folder, "dist/systemd/tpmfs.catalog"));

    [GeneratedRegex("^-- ([0-9a-f]{32})$", RegexOptions.Multiline)]
    private static partial Regex Entry();
}
