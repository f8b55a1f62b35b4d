using System.CommandLine;
using TpmFs.Configuration;
using TpmFs.Host;

namespace TpmFs.CommandLine;

/// <summary>
/// tpmfs doctor: looks at all that can keep a user from using a TPM, and reports what is wrong and what to do. Changes
/// nothing.
/// </summary>
internal static class DoctorCommand
{
    private static readonly Option<string?> s_config = new("--config")
    {
        Description = $"The configuration. Default: {SettingsFile.DefaultPath}, if it is there.",
        HelpName = "FILE",
    };

    public static Command Create()
    {
        var command = new Command("doctor", "Find what keeps you from using a TPM, and say what to do.")
        {
            s_config, TreeCommands.MountPoint,
        };
        command.SetAction(arguments =>
            Run(arguments.GetValue(s_config), arguments.GetValue(TreeCommands.MountPoint)));
        return command;
    }

    private static int Run(string? config, string? mountPoint)
    {
        var terminal = Terminal.OfOutput();
        bool isWell = true;
        foreach (Finding finding in Look(config, mountPoint))
        {
            isWell &= finding.Kind != FindingKind.Wrong;
            Show(finding, terminal);
        }

        return isWell ? ExitCode.Ok : ExitCode.Failed;
    }

    /// <summary>Finds one thing after the other: each is shown before the next, which may take time.</summary>
    private static IEnumerable<Finding> Look(string? config, string? mountPoint)
    {
        var machine = new MachineChecks(SettingsSource.Of(config));
        foreach (Finding finding in machine.Look())
        {
            yield return finding;
        }

        var mount = MountCheck.Of(MountedTree.Candidates(mountPoint), machine.Settings);
        foreach (Finding finding in mount.Findings)
        {
            yield return finding;
        }

        IEnumerable<Finding> rest = mount.Tree is { } tree ? new TpmChecks(tree).Look() : machine.LookAtTpms();
        foreach (Finding finding in rest)
        {
            yield return finding;
        }
    }

    /// <summary>
    /// Shows a finding: on a terminal folded to its width; else on one line, so that grep(1) finds what belongs
    /// together.
    /// </summary>
    private static void Show(Finding finding, Terminal terminal)
    {
        const int Indentation = 21;
        (string sign, Colour colour) = finding.Kind switch
        {
            FindingKind.Fine => ("ok", Colour.Green),
            FindingKind.Note => ("note", Colour.Yellow),
            _ => ("WRONG", Colour.Red),
        };
        string head = $"{terminal.Paint(sign.PadRight(5), colour)}  {finding.Subject,-13} ";
        string text = OutsideText.Line(finding.Text);
        string advice = finding.Advice.Length == 0 ? "" : $"Do: {OutsideText.Line(finding.Advice)}";
        if (terminal.Width is null)
        {
            Console.WriteLine(advice.Length == 0 ? head + text : $"{head}{text}. {advice}");
            return;
        }

        string[] lines = [.. terminal.Fold(text, Indentation)];
        string[] more = advice.Length == 0 ? [] : [.. terminal.Fold(advice, Indentation)];
        Console.WriteLine(head + lines[0]);
        foreach (string line in lines[1..].Concat(more.Select(line => terminal.Paint(line, Colour.Bold))))
        {
            Console.WriteLine(new string(' ', Indentation) + line);
        }
    }
}
