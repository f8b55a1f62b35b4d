using System.CommandLine;
using System.Globalization;
using TpmFs.Host;
using TpmFs.Power;
using TpmFs.Tree.Controls;

namespace TpmFs.CommandLine;

/// <summary>
/// tpmfs status, openers, cancel, revoke, suspend, resume: what they do can be done with cat and echo too.
/// </summary>
internal static class TreeCommands
{
    public static readonly Option<string?> MountPoint = new("--mount")
    {
        Description = "Where the daemon is mounted. Default: /run/tpmfs, or $XDG_RUNTIME_DIR/tpmfs for a user other "
            + "than root.",
        HelpName = "DIR",
    };

    private const string PowerFileName = "power";

    public static Command Status()
    {
        var command = new Command("status", "Show the TPMs and their domains.") { MountPoint };
        command.SetAction(arguments => With(arguments, tree =>
        {
            if (!tree.TryRead("status", out string? text, out string? problem))
            {
                return ExitCode.Problem(problem);
            }

            foreach (string line in StatusView.Show(OutsideText.Lines(text), Terminal.OfOutput()))
            {
                Console.WriteLine(line);
            }

            return ExitCode.Ok;
        }));
        return command;
    }

    public static Command Openers()
    {
        var command = new Command(
            "openers", "List the openers of the TPMs: root sees all of them, other users see their own.")
        {
            MountPoint,
        };
        command.SetAction(arguments => With(arguments, tree =>
        {
            OpenerLine[] openers = [.. tree.Openers()];
            foreach (string line in OpenersView.Show(openers, Terminal.OfOutput()))
            {
                Console.WriteLine(line);
            }

            if (openers.Length == 0)
            {
                Console.Error.WriteLine("tpmfs: no openers");
            }

            return ExitCode.Ok;
        }));
        return command;
    }

    public static Command Cancel() =>
        OfOpener("cancel", "Give up the command that an opener has under way. 'tpmfs openers' lists the ids.");

    public static Command Revoke() =>
        OfOpener("revoke", "End an opener: from then on its program gets \"No such device\".");

    public static Command Suspend() => OfPower(
        PowerFile.Suspend, SleepState.Suspended,
        "Before the machine sleeps: save what openers have in the TPMs. Commands get TPM_RC_RETRY until 'resume'.");

    public static Command Resume() =>
        OfPower(PowerFile.Resume, SleepState.Awake, "After the machine has slept: let commands go on.");

    /// <summary>Does something with the tree that the command line names.</summary>
    public static int With(ParseResult arguments, Func<MountedTree, int> action) =>
        MountedTree.TryFind(arguments.GetValue(MountPoint), out MountedTree? tree, out string? problem)
            ? action(tree) : ExitCode.Problem(problem);

    private static Command OfPower(string order, SleepState expected, string description)
    {
        var command = new Command(order, description) { MountPoint };
        command.SetAction(arguments => With(arguments, tree =>
        {
            if (tree.Order(PowerFileName, order) is { IsError: true } error)
            {
                return ExitCode.Problem(error == Errno.EACCES
                    ? $"only root, or the user who runs the daemon, may do that: sudo tpmfs {order}"
                    : $"{PowerFileName}: {error.Text()}");
            }

            if (!tree.TryRead(PowerFileName, out string? state, out string? problem))
            {
                return ExitCode.Problem(problem);
            }

            return state.TrimEnd() == PowerFile.Show(expected)
                ? ExitCode.Ok
                : ExitCode.Problem($"the daemon is {state.TrimEnd()}: a TPM did not finish a command in time");
        }));
        return command;
    }

    private static Command OfOpener(string name, string description)
    {
        var id = new Argument<ulong>("ID") { Description = "The opener's id.", CustomParser = Words.ReadId };
        var command = new Command(name, description) { id, MountPoint };
        command.SetAction(arguments => With(arguments, tree => Order(tree, name, arguments.GetValue(id))));
        return command;
    }

    private static int Order(MountedTree tree, string file, ulong id)
    {
        if (tree.Openers().FirstOrDefault(opener => opener.Id == id) is not { } found)
        {
            return ExitCode.Problem($"there is no opener {id}, or it is not yours; 'tpmfs openers' lists the ids");
        }

        Errno error = tree.Order(MountedTree.At(found.Domain, file), id.ToString(CultureInfo.InvariantCulture));
        return !error.IsError ? ExitCode.Ok
            : ExitCode.Problem(
                error == Errno.ESRCH ? $"opener {id} has ended" : $"{file} of opener {id}: {error.Text()}");
    }
}
