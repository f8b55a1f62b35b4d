using System.CommandLine;
using TpmFs.CommandLine;
using TpmFs.Daemon.Tests.Documentation;

namespace TpmFs.Daemon.Tests.CommandLine;

/// <summary>
/// Completions, asked of the shells themselves: every command and every option is offered where it belongs.
/// </summary>
public sealed class CompletionsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public static TheoryData<string, string[]> Expected
    {
        get
        {
            RootCommand root = Commands.Root();
            Command[] shown = root.Subcommands.Where(command => !command.Hidden).ToArray();
            var data = new TheoryData<string, string[]> { { "", [.. shown.Select(command => command.Name)] } };
            foreach (Command? command in shown)
            {
                data.Add(
                    $"{command.Name} --",
                    [.. command.Options.Select(option => option.Name).Where(name => name != "--help")]);
            }

            return data;
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(Expected))]
    public void Bash_offers_them(string line, string[] expected) => Assert.Empty(expected.Except(InBash(line)));

    [Theory]
    [MemberData(nameof(Expected))]
    public void Fish_offers_them(string line, string[] expected)
    {
        (int code, string? output, string? error) = Tool.Run(
            "fish", "--no-config", "-c",
            $"set --export PATH {AppContext.BaseDirectory} $PATH; source {Script("fish")}; complete -C 'tpmfs {line}'");
        Assert.Equal((0, ""), (code, error));
        Assert.Empty(expected.Except(output.Split('\n').Select(offer => offer.Split('\t')[0])));
    }

    /// <summary>Its own functions need a terminal; what they are told is what matters.</summary>
    [Theory]
    [MemberData(nameof(Expected))]
    public void Zsh_offers_them(string line, string[] expected)
    {
        string command = line.Split(' ')[0];
        string state = command.Length == 0 ? "command" : "arguments";
        (int code, string? output, string? error) = Tool.Run(
            "zsh",
            "-fc",
            $$"""
            _arguments() { [[ $1 = -C ]] && state={{state}} || print -rl -- "$@" }
            _describe() { print -rl -- ${commands} }
            compadd() { print -rl -- "$@" }
            words=({{command}})
            source {{Script("zsh")}}
            """);
        Assert.Equal((0, ""), (code, error));
        Assert.Empty(expected.Except(output.Split('\n').Select(offer => offer.TrimStart('*').Split('[', ':')[0])));
    }

    [Fact]
    public void The_ways_to_a_TPM_and_directories_are_offered_as_values()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "somewhere"));
        Assert.Contains("embedded", InBash("mount --tpm e"));
        Assert.Equal(["swtpm:host=", "swtpm:path="], InBash("mount --tpm sw").Order(StringComparer.Ordinal));
        Assert.Equal([$"{_folder}/somewhere"], InBash($"mount --state-dir {_folder}/some"));
        Assert.Equal([$"{_folder}/somewhere"], InBash($"mount {_folder}/some"));
        Assert.Empty(InBash("cancel 1"));
        Assert.Equal(["session", "system"], InBash("mount --dbus s").Order(StringComparer.Ordinal));
    }

    private string[] InBash(string line)
    {
        (int code, string? output, string? error) = Tool.Run(
            "bash",
            "--norc",
            "-c",
            $"compopt() {{ :; }}; source {Script("bash")}; COMP_WORDS=(tpmfs {line}); "
            + $"[ -n '{line}' ] || COMP_WORDS+=(''); "
            + $"COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _tpmfs; printf '%s\\n' \"${{COMPREPLY[@]}}\"");
        Assert.Equal((0, ""), (code, error));
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private string Script(string shell)
    {
        (int code, string? output, string? error) =
            Tool.Run(Path.Combine(AppContext.BaseDirectory, "tpmfs"), "completions", shell);
        Assert.Equal((0, ""), (code, error));
        string path = Path.Combine(_folder, shell);
        File.WriteAllText(path, output);
        return path;
    }
}
