using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using TpmFs.Host;

namespace TpmFs.CommandLine;

/// <summary>
/// tpmfs handover: has the daemon execute the program that is installed now in its place, and waits until that serves.
/// </summary>
internal static class HandOverCommand
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);

    public static Command Create()
    {
        var command = new Command(
            "handover",
            "Replace the running daemon by the program that is installed now. Openers keep what they hold, and go on.")
        {
            TreeCommands.MountPoint,
        };
        command.SetAction(arguments => TreeCommands.With(arguments, HandOver));
        return command;
    }

    private static int HandOver(MountedTree tree)
    {
        if (tree.Path == Places.SystemMountPoint && !Environment.IsPrivilegedProcess)
        {
            return ExitCode.Problem($"only root may replace the daemon at {tree.Path}: sudo tpmfs handover");
        }

        if (!TryFindDaemon(tree.Path, out int daemon, out string problem))
        {
            return ExitCode.Problem(problem);
        }

        long before = Takeovers(tree);
        if (ProcessCalls.Kill(daemon, ProcessCalls.SigUsr2) != 0)
        {
            return ExitCode.Problem(
                $"process {daemon}, which serves {tree.Path}, cannot be told: only root, or the user who runs it, may");
        }

        long start = Stopwatch.GetTimestamp();
        while (Takeovers(tree) <= before)
        {
            if (Stopwatch.GetElapsedTime(start) > s_patience)
            {
                return ExitCode.Problem(
                    $"the daemon at {tree.Path} has not handed over within {s_patience.TotalSeconds:0} s. Its log says "
                        + "why");
            }

            Thread.Sleep(s_pause);
        }

        return ExitCode.Ok;
    }

    /// <summary>Finds the process that holds the mount's lock.</summary>
    private static bool TryFindDaemon(string mountPoint, out int daemon, out string problem)
    {
        daemon = 0;
        problem = $"the daemon that serves {mountPoint} is not to be found: nobody holds the lock of that mount";
        if (!Places.TryFind(
            mountPoint, "/", Environment.IsPrivilegedProcess, Environment.GetEnvironmentVariable, out Places? places,
            out string none))
        {
            problem = none;
            return false;
        }

        if (!File.Exists(places.MountLock))
        {
            return false;
        }

        if (FileLock.TryTake(places.MountLock, out FileLock? taken, out FileLockRefusal refusal))
        {
            taken.Dispose();
            return false;
        }

        return refusal.IsHeld
            && int.TryParse(refusal.Holder.Split('\n')[0], NumberStyles.None, CultureInfo.InvariantCulture, out daemon);
    }

    /// <summary>
    /// Returns the number of times that this mount was taken over, as its metrics say; -1 while they do not say.
    /// </summary>
    private static long Takeovers(MountedTree tree)
    {
        const string Metric = "tpmfs_takeovers_total ";
        string? line = tree.TryRead("metrics", out string text, out _)
            ? text.Split('\n').FirstOrDefault(line => line.StartsWith(Metric, StringComparison.Ordinal)) : null;
        return long.TryParse(line?[Metric.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            ? count : -1;
    }
}
