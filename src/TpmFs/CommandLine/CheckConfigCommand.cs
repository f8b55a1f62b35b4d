using System.CommandLine;
using TpmFs.Configuration;
using TpmFs.Host;

namespace TpmFs.CommandLine;

/// <summary>tpmfs check-config: says what is wrong with a configuration before a daemon does.</summary>
internal static class CheckConfigCommand
{
    private static readonly Option<string?> s_config = new("--config")
    {
        Description = $"The configuration. Default: {SettingsFile.DefaultPath}.",
        HelpName = "FILE",
    };

    public static Command Create()
    {
        var command = new Command(
            "check-config", "Read the configuration and list its mistakes; change nothing.") { s_config };
        command.SetAction(arguments =>
        {
            var source = SettingsSource.Of(arguments.GetValue(s_config));
            if (!source.TryRead(out Settings? settings, out string? problem))
            {
                return ExitCode.Problem(problem);
            }

            if (!IsServable(settings, out problem))
            {
                return ExitCode.Problem($"{source.Path}: {problem}");
            }

            Console.WriteLine(InOrder(source));
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>Returns what is said of a configuration that is in order.</summary>
    public static string InOrder(SettingsSource source) => File.Exists(source.Path)
        ? $"{source.Path} is in order" : $"there is no {source.Path}, so the defaults hold";

    /// <summary>
    /// Returns true when 'tpmfs mount' would serve with these settings. Opens nothing. The file is checked as the
    /// system's, even when a user checks it.
    /// </summary>
    public static bool IsServable(Settings settings, out string problem) =>
        Places.TryFind(null, null, isRoot: true, _ => null, out Places? places, out problem)
        && MountCommand.TryPlan(settings.Tpms, places, out _, out problem)
        && DeviceRule.TryParseAll(settings, [], settings.Tpms, out _, out problem)
        && NodeOwner.TryOfRm0(0, 0, settings.Mode, settings.Group, NodeOwner.FindGroup, out _, out _, out problem);
}
