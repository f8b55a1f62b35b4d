using System.CommandLine;
using System.CommandLine.Help;
using System.Text;
using TpmFs.Tpm.Transports;

namespace TpmFs.CommandLine;

/// <summary>
/// Completions for shells, from a command line's definition. The name of a value in the help says of what kind it is:
/// DIR, FILE, SPEC, BUS, ID.
/// </summary>
internal static class Completions
{
    private const string Ids = "$(tpmfs openers 2>/dev/null | awk 'NR > 1 { print $1 }')";
    private const string Buses = "system session";
    private static readonly string s_ways = string.Join(' ', TransportSpec.Forms.Select(form => form.Completions));

    public static string ForBash(RootCommand root)
    {
        var text = new StringBuilder(
            "# bash completion for tpmfs\n_tpmfs() {\n    local cur=${COMP_WORDS[COMP_CWORD]} "
                + "prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words=\n");
        text.Append("    if [ \"$COMP_CWORD\" -eq 1 ]; then\n");
        text.Append(
            "        mapfile -t COMPREPLY < <(compgen -W "
                + $"'{string.Join(' ', Shown(root).Select(command => command.Name).Concat(Names(root)))}' -- "
                + "\"$cur\")\n        return\n    fi\n");
        text.Append("    case $prev in\n");
        foreach (Option? option in Shown(root).SelectMany(command => Valued(command)).DistinctBy(option => option.Name))
        {
            text.Append($"    {option.Name}) {BashValue(option.HelpName)} ;;\n");
        }

        text.Append("    esac\n    case $command in\n");
        foreach (Command command in Shown(root))
        {
            text.Append($"    {command.Name})\n");
            text.Append($"        case $cur in\n        -*) words='{string.Join(' ', Names(command))}' ;;\n");
            if (command.Arguments is [var argument, ..])
            {
                text.Append($"        *) {BashValue(argument.Name)} ;;\n");
            }

            text.Append("        esac ;;\n");
        }

        return text.Append(
            "    esac\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -F _tpmfs tpmfs\n")
            .ToString();
    }

    public static string ForZsh(RootCommand root)
    {
        var text = new StringBuilder(
            "#compdef tpmfs\n# zsh completion for tpmfs\n_tpmfs() {\n    local curcontext=$curcontext state line\n    "
                + "typeset -A opt_args\n");
        text.Append(
            "    _arguments -C '1: :->command' '*:: :->arguments'\n    case $state in\n    command)\n        local -a "
                + "commands=(\n");
        foreach (Command command in Shown(root))
        {
            text.Append($"            {Quote($"{command.Name}:{command.Description}")}\n");
        }

        text.Append(
            "        )\n        _describe command commands\n        compadd -- " + string.Join(' ', Names(root))
                + " ;;\n    arguments)\n        case $words[1] in\n");
        foreach (Command command in Shown(root))
        {
            IEnumerable<string> options = command.Options.Where(option => option is not HelpOption).Select(option =>
                Quote(
                    $"{(option.Arity.MaximumNumberOfValues > 1 ? "*" : "")}{option.Name}"
                    + $"[{Brackets(option.Description)}]:{option.HelpName}:{ZshValue(option.HelpName)}"));
            IEnumerable<string> arguments =
                command.Arguments.Select(argument => Quote($"1:{argument.Name}:{ZshValue(argument.Name)}"));
            text.Append(
                $"        {command.Name}) _arguments "
                    + $"{string.Join(" \\\n            ", options.Concat(arguments).Append("'--help[show help]'"))} "
                    + ";;\n");
        }

        return text.Append("        esac ;;\n    esac\n}\n_tpmfs \"$@\"\n").ToString();
    }

    public static string ForFish(RootCommand root)
    {
        var text = new StringBuilder("# fish completion for tpmfs\ncomplete -c tpmfs -f\n");
        foreach (string name in Names(root))
        {
            text.Append($"complete -c tpmfs -n __fish_use_subcommand -l {name[2..]}\n");
        }

        foreach (Command command in Shown(root))
        {
            text.Append(
                $"complete -c tpmfs -n __fish_use_subcommand -a {command.Name} -d {Quote(command.Description!)}\n");
            string seen = $"-n '__fish_seen_subcommand_from {command.Name}'";
            foreach (Option option in command.Options)
            {
                string value = option is HelpOption ? "" : $" -r{FishValue(option.HelpName)}";
                text.Append($"complete -c tpmfs {seen} -l {option.Name[2..]}{value} -d {Quote(option.Description!)}\n");
            }

            foreach (Argument argument in command.Arguments)
            {
                text.Append($"complete -c tpmfs {seen}{FishValue(argument.Name)}\n");
            }
        }

        return text.ToString();
    }

    private static IEnumerable<Command> Shown(RootCommand root) => root.Subcommands.Where(command => !command.Hidden);

    private static IEnumerable<string> Names(Command command) => command.Options.Select(option => option.Name);

    private static IEnumerable<Option> Valued(Command command) =>
        command.Options.Where(option => option is not (HelpOption or VersionOption));

    private static string BashValue(string? kind) => kind switch
    {
        "DIR" or "MOUNTPOINT" => "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); return",
        "FILE" => "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return",
        "SPEC" => $"mapfile -t COMPREPLY < <(compgen -W '{s_ways}' -- \"$cur\"); return",
        "BUS" => $"mapfile -t COMPREPLY < <(compgen -W '{Buses}' -- \"$cur\"); return",
        "ID" => $"mapfile -t COMPREPLY < <(compgen -W \"{Ids}\" -- \"$cur\"); return",
        _ => "return",
    };

    private static string ZshValue(string? kind) => kind switch
    {
        "DIR" or "MOUNTPOINT" => "_files -/",
        "FILE" => "_files",
        "SPEC" => $"({s_ways.Replace(":", "\\:", StringComparison.Ordinal)})",
        "BUS" => $"({Buses})",
        "ID" => $"compadd {Ids}",
        _ => "",
    };

    private static string FishValue(string? kind) => kind switch
    {
        "DIR" or "MOUNTPOINT" => " -a '(__fish_complete_directories)'",
        "FILE" => " -F",
        "SPEC" => $" -a '{s_ways}'",
        "BUS" => $" -a '{Buses}' -f",
        "ID" => " -a '(tpmfs openers 2>/dev/null | awk \"NR > 1 { print \\$1 }\")'",
        _ => "",
    };

    /// <summary>Within [] of zsh's _arguments.</summary>
    private static string Brackets(string? text) =>
        text!.Replace("[", "\\[", StringComparison.Ordinal).Replace("]", "\\]", StringComparison.Ordinal)
        .Replace(":", "\\:", StringComparison.Ordinal);

    /// <summary>One word of any of the shells.</summary>
    private static string Quote(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
