using System.Text.RegularExpressions;
using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// The whole daemon, for people and for Prometheus, and the commands that read and write the files of the tree.
/// </summary>
public sealed partial class StatusTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    [Fact]
    public void Status_says_in_words_what_is_served()
    {
        string domain = NewDomain();
        Opener opener = OpenAt($"{domain}/rm0");
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        string status = Read(At("status"));
        Assert.EndsWith("\n", status, StringComparison.Ordinal);
        Assert.All(status, c => Assert.True(c == '\n' || !char.IsControl(c), $"a control character: {(int)c}"));
        Assert.All(status.Split('\n'), line => Assert.InRange(line.Length, 0, 120));
        Assert.Contains(Mount.Proxy.Socket, status, StringComparison.Ordinal);
        Assert.Contains(Path.GetFileName(domain), status, StringComparison.Ordinal);
        Assert.Equal(status.Split('\n').Length, Command("status").Succeeded().Output.Split('\n').Length);
    }

    /// <summary>The byte that a terminal gets from Ctrl-C.</summary>
    private const char InterruptKey = '\x03';

    [Theory]
    [InlineData("status")]
    [InlineData("top")]
    public void A_terminal_of_80_columns_shows_every_number_of_a_domain(string command)
    {
        string domain = At($"domains/a-name-that-is-rather-long-for-a-domain-{NewNumber()}");
        Assert.Null(Admin.Call("mkdir", domain).Errno);
        OpenAt($"{domain}/rm0").Transact(Tpm2.CreatePrimary()).NewHandle();
        const string Row = "domains/a-n";
        using ChildProcess terminal = Mount.Sandbox.Start(
            User.Root,
            ["env", "TERM=xterm", "script", "--quiet", "--return", "--flush", "/dev/null", "--command",
                $"stty columns 80; {Mount.Sandbox.Program} {command} --mount {Mount.Daemon.MountPoint}"]);
        Deadline.Poll(
            () => terminal.HasExited || terminal.Printed.Contains(Row, StringComparison.Ordinal), "the domain's row",
            terminal.Describe);
        if (command == "top")
        {
            // top runs until it is told to stop
            terminal.Input.Write(InterruptKey);
            terminal.Input.Flush();
        }

        Outcome ended = terminal.Wait(Deadline.Step);
        string plain = ControlSequence().Replace(ended.Output, "");
        string[] lines = plain.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
        string row = lines.Last(line => line.StartsWith(Row, StringComparison.Ordinal));
        Assert.Matches(@"^domains/a-n[a-z-]*… +1 +1 +0 .* [0-9.]+$", row);
        Assert.InRange(row.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length, 10, 14);
        Assert.Contains("\x1b[1m", ended.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\x1b', Command("status").Succeeded().Output);
    }

    [Fact]
    public void Metrics_are_valid_and_move()
    {
        string domain = NewDomain();
        Opener opener = OpenAt($"{domain}/rm0");
        IReadOnlyDictionary<string, double> before = Metrics();
        for (int i = 0; i < 3; i++)
        {
            opener.Transact(Tpm2.ReadClock()).Succeeded();
        }

        opener.Transact(TreeCommands.Clear());
        IReadOnlyDictionary<string, double> after = Metrics();
        Assert.Superset(before.Keys.ToHashSet(), after.Keys.ToHashSet());
        string name = Path.GetFileName(domain);
        Assert.Equal(4, Change("commands_total"));
        Assert.Equal(1, Change("denied_total"));

        double Change(string counter)
        {
            string sample = Assert.Single(after.Keys, key => key.Contains(counter, StringComparison.Ordinal)
                && !key.Contains("tpm_commands", StringComparison.Ordinal)
                && key.Contains(name, StringComparison.Ordinal));
            return after[sample] - before[sample];
        }
    }

    [Fact]
    public void Metrics_of_a_removed_domain_are_gone()
    {
        string domain = NewDomain();
        Assert.Contains(Metrics().Keys, key => key.Contains(Path.GetFileName(domain), StringComparison.Ordinal));
        Assert.Null(Admin.Call("rmdir", domain).Errno);
        Assert.DoesNotContain(Metrics().Keys, key => key.Contains(Path.GetFileName(domain), StringComparison.Ordinal));
    }

    [Fact]
    public void The_command_line_lists_and_ends_openers()
    {
        string domain = NewDomain();
        Opener opener = OpenAt($"{domain}/rm0");
        string id = Assert.Single(Openers(domain))[0];
        string[] listed = Command("openers").Succeeded().Output.Split('\n');
        Assert.Contains(
            listed,
            line => line.Contains(id, StringComparison.Ordinal) && line.Contains("python3", StringComparison.Ordinal));
        Command("cancel", id).Succeeded();
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        Command("revoke", id).Succeeded();
        Assert.Equal("ENODEV", opener.Write(Tpm2.GetRandom(8)).Errno);
        Outcome again = Command("revoke", id);
        Assert.NotEqual(0, again.ExitCode);
        Assert.Contains(id, again.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_line_says_so_where_nothing_is_mounted()
    {
        Outcome outcome =
            Mount.Sandbox.Run(User.Root, Mount.Sandbox.Program, "status", "--mount", Mount.Sandbox.MakeFolder("empty"));
        Assert.NotEqual(0, outcome.ExitCode);
        Assert.Contains("empty", outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", outcome.Error, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\x1b(\[[0-9;?]*[A-Za-z]|[=>])")]
    private static partial Regex ControlSequence();

    private IReadOnlyDictionary<string, double> Metrics() => OpenMetrics.Parse(Read(At("metrics"))).Samples;

    private Outcome Command(params string[] words) =>
        Mount.Sandbox.Run(User.Root, [Mount.Sandbox.Program, .. words, "--mount", Mount.Daemon.MountPoint]);
}
