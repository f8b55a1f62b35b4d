using System.Text.RegularExpressions;
using TpmFs.CommandLine;
using TpmFs.Configuration;
using TpmFs.Rm;
using TpmFs.Tpm;

namespace TpmFs.Daemon.Tests.Tree.Status;

public sealed class StatusTests
{
    [Fact]
    public void Metrics_are_OpenMetrics()
    {
        using var tree = new TreeFixture();
        tree.Make("domains", "web");
        tree.Open("domains/web/rm0");
        string[] lines = tree.Read("metrics").Split('\n');

        Assert.Equal(["# EOF", ""], lines[^2..]);
        Assert.All(
            lines[..^2],
            line => Assert.Matches(
                @"^(# (TYPE|UNIT|HELP) [a-z_]+ .+"
                + @"|[a-z_]+(\{[a-z]+=""([^""\\\n]|\\[\\""n])*""(,[a-z]+=""([^""\\\n]|\\[\\""n])*"")*\})? [0-9.E+-]+)$",
                line));
        Assert.Contains("tpmfs_openers{domain=\"domains/web\",tpm=\"0\"} 1", lines);
        Assert.Contains("tpmfs_commands_total{domain=\"root\",tpm=\"0\"} 0", lines);
        Assert.Contains(
            "tpmfs_tpm_info{tpm=\"0\",manufacturer=\"TEST\",model=\"a \\\"TPM\\\"\",firmware=\"1.2.3.4\"} 1", lines);
        Assert.Contains("# TYPE tpmfs_tpm_info gauge", lines);
        Assert.All(
            lines.Where(line => line.StartsWith("# TYPE", StringComparison.Ordinal)),
            line => Assert.Matches("^# TYPE [a-z_]+ (counter|gauge)$", line));
        Assert.Equal(
            lines.Count(line => line.StartsWith("# TYPE", StringComparison.Ordinal)),
            lines.Where(line => line.StartsWith("# TYPE", StringComparison.Ordinal)).Distinct().Count());
    }

    [Fact]
    public void Status_tells_people_of_the_TPM_and_of_each_domain()
    {
        using var tree = new TreeFixture();
        tree.Make("domains", "web");
        string text = tree.Read("status");
        Assert.Contains("TPM 2.0 revision 1.64", text, StringComparison.Ordinal);
        Assert.Matches(new Regex("^root +0 +0 +0 +0 +- ", RegexOptions.Multiline), text);
        Assert.Contains("domains/web", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, "taken over once since the mount: what there was")]
    [InlineData(2, "taken over 2 times since the mount; the last time: what there was")]
    public void Status_says_how_many_times_the_mount_was_taken_over(uint times, string line)
    {
        using var tree = new TreeFixture();
        Assert.DoesNotContain("taken over", tree.Read("status"), StringComparison.Ordinal);
        tree.Status.ShowTakeovers(() => times, "what there was");
        Assert.Contains(line, tree.Read("status").Split('\n'));
    }

    [Theory]
    [InlineData(4, TpmCc.CreatePrimary, null)]
    [InlineData(42, TpmCc.CreatePrimary, "           NO ANSWER for 42 s, to TPM2_CreatePrimary")]
    [InlineData(42, null, "           NO ANSWER for 42 s, to a command of the daemon before this one")]
    public void Status_says_to_what_the_TPM_has_not_answered_for_long(int seconds, TpmCc? code, string? line)
    {
        using var tree = new TreeFixture();
        tree.Unanswered = new UnansweredCommand(code, TimeSpan.FromSeconds(seconds));
        string status = tree.Read("status");
        Assert.Equal(
            line,
            status.Split('\n').SingleOrDefault(one => one.Contains("NO ANSWER", StringComparison.Ordinal)));
        Assert.Equal(line is null ? [] : ["TPM 0      " + line.Trim()], StatusView.Warnings(status));
        Assert.Contains($"tpmfs_tpm_unanswered_seconds{{tpm=\"0\"}} {seconds}", tree.Read("metrics").Split('\n'));
    }

    [Fact]
    public void Status_gives_the_reason_that_devices_share_once()
    {
        using var tree = new TreeFixture();
        tree.Status.Show(() => [("/dev/a", "rm0", "no cuse"), ("/dev/b", "rm0", "no cuse"), ("/dev/c", "rm0", "")]);
        Assert.Equal(
            ["NOT THERE: /dev/a (rm0): no cuse", "NOT THERE: /dev/b (rm0): for the same reason", "/dev/c is rm0"],
            tree.Read("status").Split('\n').Where(line => line.StartsWith("device", StringComparison.Ordinal))
                .Select(line => line[11..]));
    }

    [Fact]
    public void The_schema_in_the_repository_is_that_of_the_configuration() =>
        Assert.Equal(
            SettingsSchema.Text(), File.ReadAllText(Path.Combine(Repository.Folder, "docs/tpmfs.schema.json")));
}
