using System.CommandLine;
using System.Text;
using Mono.Unix.Native;
using TpmFs.Host;
using TpmFs.State;
using TpmFs.Tree;
using Errno = TpmFs.Os.Errno;

namespace TpmFs.CommandLine;

/// <summary>
/// tpmfs reset: drops what was changed at run time. A running daemon is told by an extended attribute of its tree;
/// where there is none, or a state directory alone is named, the state file is changed.
/// </summary>
internal static class ResetCommand
{
    private static readonly Argument<string?> s_place = new("PATH")
    {
        Description = "What to reset, with everything below it, such as users/1000 or rm0. Default: the whole tree.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<string?> s_stateDirectory = new("--state-dir")
    {
        Description = "The state directory of a daemon that does not run. Without --mount, only this directory is "
            + "reset, whatever is mounted. Default: as for 'tpmfs mount'.",
        HelpName = "DIR",
    };

    public static Command Create()
    {
        var command = new Command(
            "reset",
            "Drop all changes that were made at run time, so that the configuration holds again. Without PATH, also "
                + "remove the directories that were made with mkdir.")
        {
            s_place, TreeCommands.MountPoint, s_stateDirectory,
        };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult arguments)
    {
        (string? mountPoint, string? stateDirectory) =
            (arguments.GetValue(TreeCommands.MountPoint), arguments.GetValue(s_stateDirectory));
        if (!Places.TryFind(
            mountPoint,
            stateDirectory,
            Environment.IsPrivilegedProcess,
            Environment.GetEnvironmentVariable,
            out Places? places,
            out string? problem))
        {
            // Then this user has no daemon, and the one that there is may be the system's.
            return mountPoint is null && stateDirectory is null
                && MountedTree.TryFind(null, out MountedTree? tree, out _)
                ? Tell(tree.Path, Within(tree.Path, arguments.GetValue(s_place) ?? ""))
                : ExitCode.Problem(problem);
        }

        string place = Within(places.MountPoint, arguments.GetValue(s_place) ?? "");
        if ((mountPoint is not null || stateDirectory is null) && MountedTree.TryFind(places.MountPoint, out _, out _))
        {
            return Tell(places.MountPoint, place);
        }

        if (!SafeDirectory.TryOpen(
            places.StateDirectory, creates: false, out SafeDirectory? state, out Errno error, out problem))
        {
            return error == Errno.ENOENT && stateDirectory is null ? ExitCode.Ok : ExitCode.Problem(problem);
        }

        state.Dispose();

        if (!Directories.TryLock(
            places.StateLock,
            $"another tpmfs uses the state directory {places.StateDirectory}; name its mount point with --mount DIR, "
                + "or stop it", out FileLock? claim, out problem))
        {
            return ExitCode.Problem(problem);
        }

        using (claim)
        {
            return Rewrite(new StateFile(places.StateDirectory), place);
        }
    }

    /// <summary>A place in the tree, however the user wrote it.</summary>
    private static string Within(string mountPoint, string place)
    {
        string below = place == mountPoint ? ""
            : place.StartsWith(mountPoint + "/", StringComparison.Ordinal) ? place[(mountPoint.Length + 1)..]
            : place;
        return string.Join('/', below.Split('/').Where(step => step is not ("" or ".")));
    }

    private static int Tell(string mountPoint, string place)
    {
        string attribute = Encoding.ASCII.GetString(RootDirectory.ResetAttribute);
        if (Syscall.setxattr(mountPoint, attribute, Encoding.UTF8.GetBytes(place)) == 0)
        {
            return ExitCode.Ok;
        }

        Errno error = Errno.Last;
        return ExitCode.Problem(error switch
        {
            _ when error == Errno.ENOENT => $"there is nothing at {place} in {mountPoint}",
            _ when error == Errno.EPERM || error == Errno.EACCES =>
                "only root, or the user who runs the daemon, may reset its tree: sudo tpmfs reset",
            _ => $"{mountPoint}: {error.Text()}",
        });
    }

    private static int Rewrite(StateFile file, string place)
    {
        if (!file.TryRead(out StateDocument document, out StateFault fault))
        {
            return ExitCode.Problem($"{file.Path}: {fault.Problem}");
        }

        foreach (string? path in document.Access.Keys.Where(IsBelow).ToArray())
        {
            document.Access.Remove(path);
        }

        foreach (string? path in document.Limits.Keys.Where(IsBelow).ToArray())
        {
            document.Limits.Remove(path);
        }

        document.Made.RemoveWhere(path => path != place && IsBelow(path));
        return !File.Exists(file.Path) || file.TryWrite(document, out string problem)
            ? ExitCode.Ok : ExitCode.Problem($"{file.Path} cannot be written: {problem}");

        bool IsBelow(string path) =>
            place.Length == 0 || path == place || path.StartsWith(place + "/", StringComparison.Ordinal);
    }
}
