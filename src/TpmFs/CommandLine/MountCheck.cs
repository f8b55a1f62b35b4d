using System.ComponentModel;
using System.Diagnostics;
using TpmFs.Configuration;
using TpmFs.Fuse;

namespace TpmFs.CommandLine;

/// <summary>
/// Reports the state of the mount for 'tpmfs doctor'. A daemon that hangs also holds up every process that touches its
/// tree, and such a process cannot be killed. So another process, for which the doctor need not wait, touches the tree
/// first.
/// </summary>
/// <param name="Tree">The tree of a daemon that serves; null where there is none.</param>
internal sealed record MountCheck(MountedTree? Tree, IReadOnlyList<Finding> Findings)
{
    private const string Subject = "mount";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    /// <param name="candidates">The places where a daemon may be mounted, the likeliest first.</param>
    public static MountCheck Of(IReadOnlyList<string> candidates, Settings settings)
    {
        return candidates.FirstOrDefault(MountedTree.IsMounted) is { } mountPoint
            ? Mounted(mountPoint)
            : new MountCheck(null, [NotMounted(string.Join(" or ", candidates.Distinct()), settings)]);
    }

    private static MountCheck Mounted(string mountPoint)
    {
        if (MountedTree.WhyNotTrusted(mountPoint) is { Length: > 0 } untrusted)
        {
            return new MountCheck(null, [Finding.Wrong(
                Subject, untrusted, "name the mount point of root's daemon, or of your own, with --mount DIR")]);
        }

        (int? code, _) = Run(Environment.ProcessPath!, "status", "--mount", mountPoint);
        if (code is null)
        {
            return new MountCheck(null, [Finding.Wrong(
                Subject, $"the daemon at {mountPoint} does not answer: it hangs, or was stopped",
                "systemctl restart tpmfs. By hand: kill -CONT the daemon, or kill it and umount --lazy "
                    + mountPoint)]);
        }

        return MountedTree.TryFind(mountPoint, out MountedTree? tree, out _)
            ? new MountCheck(tree, [Finding.Fine(Subject, $"a daemon serves {mountPoint}")])
            : new MountCheck(null, [Finding.Wrong(
                Subject, MountedTree.WhyDead(mountPoint), MountedTree.HowToRevive(mountPoint))]);
    }

    private static Finding NotMounted(string places, Settings settings)
    {
        string nothing = $"no TPM is mounted at {places}";
        if (settings.Tpms.Count == 0)
        {
            return Finding.Wrong(
                Subject, $"{nothing}, and the configuration names no TPM",
                "tpmfs mount --tpm SPEC; tpmfs mount --help lists what SPEC can be");
        }

        if (!Directory.Exists("/run/systemd/system"))
        {
            return Finding.Wrong(Subject, nothing, "tpmfs mount");
        }

        (_, string unit) = Run(
            "systemctl", "show", "--property=LoadState", "--property=ActiveState", "tpmfs.service");
        return unit switch
        {
            _ when unit.Contains("LoadState=not-found", StringComparison.Ordinal) =>
                Finding.Wrong(
                    Subject, $"{nothing}, and there is no tpmfs.service", "tpmfs mount, or install the package"),
            _ when unit.Contains("ActiveState=failed", StringComparison.Ordinal) =>
                Finding.Wrong(Subject, $"{nothing}: tpmfs.service has failed", "journalctl -p err -u tpmfs says why"),
            _ when unit.Contains("ActiveState=activating", StringComparison.Ordinal) =>
                Finding.Wrong(
                    Subject, $"{nothing}: tpmfs.service starts again and again",
                    "journalctl -p err -u tpmfs says why"),
            _ => Finding.Wrong(
                Subject, $"{nothing}: tpmfs.service does not run",
                "systemctl start tpmfs. A TPM that appears starts the service, so see whether there is one: "
                    + "ls /dev/tpm*"),
        };
    }

    /// <summary>Runs a program for as long as can be waited.</summary>
    /// <returns>Its exit code and output; null where it has not ended. It is then left alone.</returns>
    private static (int? Code, string Output) Run(string program, params string[] words)
    {
        var start =
            new ProcessStartInfo(program, words) { RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            return process.WaitForExit(s_patience) && output.Wait(s_patience)
                ? (process.ExitCode, output.Result) : (null, "");
        }
        catch (Win32Exception)
        {
            return (null, ""); // There is no such program.
        }
    }
}
