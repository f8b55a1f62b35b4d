using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Reflection;
using TpmFs.Host;

namespace TpmFs.CommandLine;

/// <summary>The command line, tpmfs.</summary>
internal static class Commands
{
    private const string Examples = """
        Examples:
          tpmfs mount --tpm device:/dev/tpm0
          tpmfs mount --tpm embedded
          tpmfs mount /mnt/tpm --tpm swtpm:path=/run/swtpm.sock --state-dir /srv/tpm
          TPM2TOOLS_TCTI=device:/run/tpmfs/rm0 tpm2_getrandom --hex 8
        """;

    public static int Run(string[] arguments)
    {
        ParseResult parsed = Root().Parse(arguments);
        if (parsed.Action is not HelpWithMore && parsed.Errors is [.., var error])
        {
            string command = parsed.CommandResult.Command is RootCommand ? "" : parsed.CommandResult.Command.Name + " ";
            return ExitCode.Usage($"{error.Message}\nTry: tpmfs {command}--help");
        }

        // The mount command ends itself on a signal, and a fault is better seen whole than as one line.
        return parsed.Invoke(
            new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
    }

    public static RootCommand Root()
    {
        var root = new RootCommand(
            "TPMs as files: open, write a TPM 2.0 command, read the response. Each open has its own handles.")
        {
            MountCommand.Create(), TreeCommands.Status(), TreeCommands.Openers(), TopCommand.Create(),
            TreeCommands.Cancel(), TreeCommands.Revoke(),
            TreeCommands.Suspend(), TreeCommands.Resume(), CheckConfigCommand.Create(), ResetCommand.Create(),
            HandOverCommand.Create(), CdiCommand.Create(), DoctorCommand.Create(),
        };
        root.Add(CompletionsCommand.Create(root));
        foreach (Option option in root.Options)
        {
            option.Action = option switch
            {
                HelpOption => new HelpWithMore((HelpAction)option.Action!),
                VersionOption => new ShowVersion(),
                _ => option.Action,
            };
        }

        return root;
    }

    private sealed class HelpWithMore(HelpAction help) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            int result = help.Invoke(parseResult);
            if (parseResult.CommandResult.Command is RootCommand or { Name: MountCommand.Name })
            {
                parseResult.InvocationConfiguration.Output.WriteLine(
                    $"{MountCommand.Forms(Terminal.OfOutput())}\n\n{Examples}");
            }

            return result;
        }
    }

    private sealed class ShowVersion : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            string version =
                typeof(Commands).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
                    .InformationalVersion;
            parseResult.InvocationConfiguration.Output.WriteLine($"tpmfs {version}");
            return ExitCode.Ok;
        }
    }
}
