using System.CommandLine;
using Serilog.Core;
using TpmFs.Configuration;
using TpmFs.Host;
using TpmFs.Logs;
using TpmFs.Policy;
using TpmFs.Tpm.Transports;

namespace TpmFs.CommandLine;

/// <summary>tpmfs mount: settles what is asked for, then runs the daemon in the foreground.</summary>
internal static class MountCommand
{
    public const string Name = "mount";

    private static readonly Argument<string?> s_mountPoint = new("MOUNTPOINT")
    {
        Description = "Where to mount. Default: /run/tpmfs, or $XDG_RUNTIME_DIR/tpmfs for a user other than root.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<string[]> s_tpm = new("--tpm")
    {
        Description = "The TPM to serve; see below. Repeat the option for several TPMs: rm0, rm1 and so on. It may be "
            + "left out when the configuration names the TPMs.",
        HelpName = "SPEC",
    };

    private static readonly Option<BusKind?> s_dbus = new("--dbus")
    {
        Description = "The bus on which to serve the name of tpm2-abrmd, for programs that use its library: system or "
            + "session. Default: \"dbus\" in the configuration, else none.",
        HelpName = "BUS",
        CustomParser = Words.ReadBus,
    };

    private static readonly Option<string?> s_config = new("--config")
    {
        Description = $"The configuration. Default: {SettingsFile.DefaultPath}, if it is there.",
        HelpName = "FILE",
    };

    private static readonly Option<string?> s_stateDirectory = new("--state-dir")
    {
        Description = "The directory in which the daemon keeps its state between runs. Default: /var/lib/tpmfs, or "
            + "tpmfs in $XDG_STATE_HOME (~/.local/state) for a user other than root.",
        HelpName = "DIR",
    };

    private static readonly Option<string[]> s_device = new("--device")
    {
        Description = "Make the character device /dev/NAME for a node, such as tpmrmfs0=rm0, for programs that insist "
            + "on one. Repeat the option for several devices; tpmfs/*=domains/*/rm0 is one for each domain. It adds to "
            + "those of the configuration.",
        HelpName = "NAME=NODE",
    };

    public static Command Create()
    {
        var command =
            new Command(Name, "Mount TPMs as files and serve them in the foreground until a signal ends the daemon.")
        {
            s_mountPoint, s_tpm, s_device, s_dbus, s_config, s_stateDirectory,
        };
        command.SetAction(Run);
        return command;
    }

    /// <summary>Returns what --tpm takes, as wide as a terminal.</summary>
    public static string Forms(Terminal terminal)
    {
        const int Column = 27;
        string indentation = "\n" + new string(' ', Column);
        IEnumerable<string> lines = TransportSpec.Forms.Select(form =>
            $"  {form.Syntax}".PadRight(Column) + string.Join(indentation, terminal.Fold(form.Explanation, Column)));
        return string.Join('\n', lines.Prepend("A TPM is one of"));
    }

    private static int Run(ParseResult arguments)
    {
        var config = SettingsSource.Of(arguments.GetValue(s_config));
        if (!config.TryRead(out Settings? settings, out string? problem))
        {
            return ExitCode.Problem(problem);
        }

        settings.Bus = arguments.GetValue(s_dbus) ?? settings.Bus;
        string[] named = arguments.GetValue(s_tpm) ?? [];
        IReadOnlyList<string> ways = named.Length > 0 ? named : settings.Tpms;
        if (ways.Count == 0)
        {
            return ExitCode.Usage(
                $"which TPM? Give --tpm SPEC, or \"tpm\" in the configuration.\n{Forms(Terminal.Unlimited)}");
        }

        if (!Places.TryFind(
            arguments.GetValue(s_mountPoint),
            arguments.GetValue(s_stateDirectory),
            Environment.IsPrivilegedProcess,
            Environment.GetEnvironmentVariable,
            out Places? places,
            out problem))
        {
            return ExitCode.Problem(problem);
        }

        if (!TryPlan(ways, places, out List<TpmPlan>? tpms, out problem))
        {
            return named.Length > 0 ? ExitCode.Usage(problem) : ExitCode.Problem(problem);
        }

        if (!DeviceRule.TryParseAll(
            settings, arguments.GetValue(s_device) ?? [], ways, out IReadOnlyList<DeviceRule>? devices, out problem))
        {
            return ExitCode.Usage(problem);
        }

        var payers = new Payers();
        using Logger log = Log.Open(settings.LogLevel, payers);
        try
        {
            return Daemon.Run(
                new DaemonPlan(tpms, settings, config, places) { Payers = payers, Devices = devices }, log);
        }
        finally
        {
            Task.WaitAll([.. tpms.Select(tpm => Task.Run(tpm.Transport.Dispose))]);
        }
    }

    /// <summary>Settles the TPMs, each by its number. Opens nothing.</summary>
    public static bool TryPlan(IReadOnlyList<string> ways, Places places, out List<TpmPlan> tpms, out string problem)
    {
        tpms = [];
        foreach (string way in ways)
        {
            var environment = new TransportEnvironment
            {
                StateDirectory = places.StateDirectory,
                Number = tpms.Count,
                OwnTree = places.MountPoint,
            };
            if (!TransportSpec.TryParse(way, environment, out TransportSpec? spec, out problem))
            {
                return false;
            }

            if (!spec.DependsOnNumber && tpms.Exists(other => other.Spec.Text == way))
            {
                problem = $"the TPM \"{way}\" is given twice";
                return false;
            }

            tpms.Add(new TpmPlan(tpms.Count, spec, spec.CreateTransport()));
        }

        problem = "";
        return true;
    }
}
