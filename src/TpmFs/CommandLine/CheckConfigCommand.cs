using System.CommandLine;
using TpmFs.Configuration;

namespace TpmFs.CommandLine;

/// <summary>tpmfs check-config: says what is wrong with a configuration before a daemon does.</summary>
internal static class CheckConfigCommand
{
    private static readonly Option<string?> Config = new("--config")
    {
        Description = $"The configuration. Default: {SettingsFile.DefaultPath}.",
        HelpName = "FILE",
    };

    public static Command Create()
    {
        var command = new Command("check-config", "Read the configuration and say what is wrong with it; change nothing.") { Config };
        command.SetAction(arguments =>
        {
            var source = SettingsSource.Of(arguments.GetValue(Config));
            if (!source.TryRead(out _, out var problem))
            {
                return ExitCode.Problem(problem);
            }

            Console.WriteLine(File.Exists(source.Path) ? $"{source.Path} is in order" : $"{source.Path} is not there, so the defaults hold");
            return ExitCode.Ok;
        });
        return command;
    }
}
