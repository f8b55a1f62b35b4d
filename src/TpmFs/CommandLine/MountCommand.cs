using System.CommandLine;
using TpmFs.Configuration;
using TpmFs.Life;
using TpmFs.Logs;
using TpmFs.Tpm.Transports;

namespace TpmFs.CommandLine;

/// <summary>tpmfs mount: settles what is asked for, then runs the daemon in the foreground.</summary>
internal static class MountCommand
{
    public const string Forms = """
        The TPM is one of
          embedded[:DIR]           a software TPM of tpmfs's own (swtpm), its state kept in DIR
          swtpm:path=SOCK          a swtpm on a UNIX socket, its control channel on SOCK.ctrl
          swtpm:host=H,port=P      a swtpm on TCP, its control channel on port P+1
        """;

    private static readonly Argument<string?> MountPoint = new("MOUNTPOINT")
    {
        Description = "Where to mount. Default: /run/tpmfs, or $XDG_RUNTIME_DIR/tpmfs for a user other than root.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<string?> Tpm = new("--tpm") { Description = "The TPM; see below. May be left out when the configuration names it.", HelpName = "SPEC" };

    private static readonly Option<string?> Config = new("--config")
    {
        Description = $"The configuration. Default: {SettingsFile.DefaultPath}, if it is there.",
        HelpName = "FILE",
    };

    private static readonly Option<string?> StateDirectory = new("--state-dir")
    {
        Description = "What outlives the daemon. Default: /var/lib/tpmfs, or tpmfs in $XDG_STATE_HOME (~/.local/state) for a user other than root.",
        HelpName = "DIR",
    };

    public static Command Create()
    {
        var command = new Command("mount", "Mount a TPM as a file and serve it, in the foreground, until a signal ends it.")
        {
            MountPoint, Tpm, Config, StateDirectory,
        };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult arguments)
    {
        var config = SettingsSource.Of(arguments.GetValue(Config));
        if (!config.TryRead(out var settings, out var problem))
        {
            return ExitCode.Problem(problem);
        }

        if ((arguments.GetValue(Tpm) ?? settings.Tpm) is not { } tpm)
        {
            return ExitCode.Usage($"which TPM? Give --tpm SPEC, or \"tpm\" in the configuration.\n{Forms}");
        }

        if (!Places.TryFind(
            arguments.GetValue(MountPoint),
            arguments.GetValue(StateDirectory),
            Environment.IsPrivilegedProcess,
            Environment.GetEnvironmentVariable,
            out var places,
            out problem))
        {
            return ExitCode.Problem(problem);
        }

        var environment = new TransportEnvironment { StateDirectory = places.StateDirectory, RuntimeDirectory = places.RuntimeDirectory };
        if (!TransportFactory.TryCreate(tpm, environment, out var transport, out problem))
        {
            return arguments.GetValue(Tpm) is null ? ExitCode.Problem(problem) : ExitCode.Usage(problem);
        }

        using (transport)
        using (var log = Log.Open(settings.LogLevel))
        {
            return Daemon.Run(new DaemonPlan(tpm, transport, settings, config, places), log);
        }
    }
}
