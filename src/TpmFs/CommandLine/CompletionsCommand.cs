using System.CommandLine;
using TpmFs.Host;

namespace TpmFs.CommandLine;

/// <summary>
/// tpmfs completions SHELL: what a shell has to know to complete the command line, from the command line's own
/// definition. For packages.
/// </summary>
internal static class CompletionsCommand
{
    private static readonly Argument<string> s_shell = new("SHELL") { Description = "bash, zsh or fish." };

    static CompletionsCommand() => s_shell.AcceptOnlyFromAmong("bash", "zsh", "fish");

    public static Command Create(RootCommand root)
    {
        var command = new Command("completions", "Print completions for a shell.") { s_shell };
        command.Hidden = true;
        command.SetAction(arguments =>
        {
            Console.Write(arguments.GetValue(s_shell) switch
            {
                "bash" => Completions.ForBash(root),
                "zsh" => Completions.ForZsh(root),
                _ => Completions.ForFish(root),
            });
            return ExitCode.Ok;
        });
        return command;
    }
}
