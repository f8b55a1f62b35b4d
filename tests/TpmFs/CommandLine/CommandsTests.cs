using System.Diagnostics;
using TpmFs.CommandLine;

namespace TpmFs.Daemon.Tests.CommandLine;

/// <summary>
/// The program as a user starts it: what it says, where, and its exit code. None of these gets as far as a mount.
/// </summary>
public sealed class CommandsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Version_names_the_program_and_its_version()
    {
        (int code, string? output, string? error) = Run("--version");
        Assert.Matches(@"^tpmfs \d+\.\d+\.\d+\n$", output);
        Assert.Equal((0, ""), (code, error));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("mount", "--help")]
    public void Help_tells_the_forms_of_a_TPM_and_an_example(params string[] arguments)
    {
        (int code, string? output, string _) = Run(arguments);
        Assert.Equal(0, code);
        Assert.Contains("swtpm:path=SOCK", output, StringComparison.Ordinal);
        Assert.Contains("tpmfs mount --tpm embedded", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cancel")]
    [InlineData("revoke")]
    public void Help_is_shown_of_a_command_whose_argument_is_missing(string command)
    {
        (int code, string? output, string? error) = Run(command, "--help");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("<ID>", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("status")]
    [InlineData("cdi")]
    [InlineData("doctor")]
    public void The_help_of_a_command_that_takes_no_TPM_does_not_tell_the_forms(string command)
    {
        (int code, string? output, string _) = Run(command, "--help");
        Assert.Equal(0, code);
        Assert.Contains("Usage:", output, StringComparison.Ordinal);
        Assert.DoesNotContain("A TPM is one of", output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_forms_of_a_TPM_fit_a_terminal_of_80_columns() => Assert.All(
        MountCommand.Forms(new Terminal(80, HasColours: false)).Split('\n'),
        line => Assert.InRange(line.Length, 1, 80));

    [Theory]
    [InlineData("Required command was not provided")]
    [InlineData("'bogus'", "bogus")]
    [InlineData("'--tpm'", "mount", "--tpm")]
    [InlineData("'b'", "mount", "a", "b", "--tpm", "embedded")]
    [InlineData("'--bogus'", "mount", "a", "--bogus")]
    [InlineData("\"x\" is not the id of an opener; 'tpmfs openers' lists the ids", "cancel", "x")]
    [InlineData("\"-1\" is not the id of an opener", "revoke", "--", "-1")]
    [InlineData("\"x\" is not a bus: name system or session", "mount", "--dbus", "x")]
    public void A_wrong_command_line_is_2_and_says_what_is_wrong(string expected, params string[] arguments)
    {
        (int code, string? output, string? error) = Run(arguments);
        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith("tpmfs: ", error, StringComparison.Ordinal);
        Assert.Contains(expected, error, StringComparison.Ordinal);
        Assert.Contains("--help", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_TPM_the_forms_are_listed()
    {
        (int code, string _, string? error) = Run("mount", "--config", Config("{}"));
        Assert.Equal(2, code);
        Assert.Contains("embedded[:DIR]", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_TPM_that_is_none_is_2_on_the_command_line_and_1_in_the_configuration()
    {
        (int code, string _, string? error) =
            Run("mount", "--config", Config("{}"), "--state-dir", _folder, "--tpm", "abacus:");
        Assert.Equal(2, code);
        Assert.Contains("abacus:", error, StringComparison.Ordinal);
        (code, _, error) = Run("mount", "--config", Config("{ \"tpm\": \"abacus:\" }"), "--state-dir", _folder);
        Assert.Equal(1, code);
        Assert.Contains("abacus:", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mistake_in_the_configuration_is_1_with_its_place()
    {
        string path = Config("{\n  \"tmp\": 1\n}");
        (int code, string _, string? error) = Run("mount", "--config", path, "--tpm", "embedded");
        Assert.Equal(1, code);
        Assert.StartsWith($"tpmfs: {path}:2:3: \"tmp\" is no key", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ \"tpm\": \"abacus:\" }", "abacus:")]
    [InlineData("{ \"tpm\": \"device:/dev/tpmrm0\" }", "kernel's resource manager")]
    [InlineData("{ \"tpm\": [\"device:/dev/tpm0\", \"device:/dev/tpm0\"] }", "given twice")]
    [InlineData("{ \"rm0\": { \"group\": \"nobodys-group\" } }", "there is no group 'nobodys-group'")]
    public void What_mount_would_refuse_is_not_in_order(string config, string problem)
    {
        string path = Config(config);
        (int code, string? output, string? error) = Run("check-config", "--config", path);
        Assert.Equal((1, ""), (code, output));
        Assert.StartsWith($"tpmfs: {path}: ", error, StringComparison.Ordinal);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{ \"tpm\": [\"device:/dev/tpm77\", \"embedded\", \"embedded\"], \"rm0\": { \"group\": \"4711\" } }")]
    public void What_mount_would_serve_or_wait_for_is_in_order(string config)
    {
        string path = Config(config);
        Assert.Equal((0, $"{path} is in order\n", ""), Run("check-config", "--config", path));
    }

    [Fact]
    public void A_configuration_that_was_named_has_to_be_there()
    {
        string path = Path.Combine(_folder, "none.json");
        (int code, string _, string? error) = Run("mount", "--config", path, "--tpm", "embedded");
        Assert.Equal(1, code);
        Assert.Contains(path, error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_journal_is_told_on_stderr_has_its_priority_before_each_line()
    {
        (int code, string _, string? error) = Start(
            "sh", "-c", "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" \"$@\"", Program, "mount",
            "--config", Config("{}"));
        Assert.Equal(2, code);
        Assert.StartsWith("<3>tpmfs: which TPM?", error, StringComparison.Ordinal);
        Assert.All(error.TrimEnd('\n').Split('\n'), line => Assert.StartsWith("<3>", line, StringComparison.Ordinal));
    }

    private static string Program => Path.Combine(AppContext.BaseDirectory, "tpmfs");

    private static (int Code, string Output, string Error) Run(params string[] arguments) => Start(Program, arguments);

    private static (int Code, string Output, string Error) Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["XDG_RUNTIME_DIR"] = "/nonexistent";
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromSeconds(60)))
        {
            process.Kill();
            Assert.Fail($"tpmfs {string.Join(' ', arguments)} did not end");
        }

        return (process.ExitCode, output.Result, error.Result);
    }

    private string Config(string text)
    {
        string path = Path.Combine(_folder, "tpmfs.json");
        File.WriteAllText(path, text);
        return path;
    }
}
