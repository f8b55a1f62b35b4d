using System.Diagnostics;
using Serilog;
using TpmFs.Fuse.Session;
using TpmFs.HandOver;
using TpmFs.Logs;
using TpmFs.Rm.Manager;
using TpmFs.Tree;

namespace TpmFs.Host;

/// <summary>Says what was taken over from the daemon before, and what was not and why.</summary>
internal sealed class TakeoverReport(
    ServedParts parts, Succession succession, string mountPoint, ILogger log)
{
    /// <summary>Logs it, and shows it in the file status.</summary>
    public void Say(FuseTakenOver requests)
    {
        TakenOver openers = parts.Tree.TakenOver;
        (TimeSpan time, string since) = succession.Inherited.Pause is { } pause
            ? (pause, "that one stopped serving") : (SinceStart(), "this one was started");
        string summary =
            $"{openers.Openers} openers, {openers.Commands} commands under way, {openers.Answers} unread responses, "
                + $"{requests.Requests} requests and {requests.Reads} waiting reads";
        parts.Status.ShowTakeovers(() => succession.Mirrors.Takeovers, summary);
        log.Of(EventType.TakenOver).Information(
            "{MountPoint} is taken over from the daemon before, {Milliseconds:0} ms after {Since}: {Summary}",
            mountPoint, time.TotalMilliseconds, since, summary);
        foreach (string lost in openers.Lost)
        {
            log.Of(EventType.NotTakenOver).Warning("{Lost}", lost);
        }

        foreach (ServedTpm tpm in parts.Tpms.All)
        {
            tpm.WhenStarted(() => SayOf(tpm));
        }
    }

    private void SayOf(ServedTpm tpm)
    {
        if (tpm.Adopted is not { } adopted)
        {
            return;
        }

        log.Of(EventType.TakenOver).Information(
            "TPM {Number}: {Objects} objects and {Sessions} sessions of {Spaces} openers go on{Exchange}",
            tpm.Plan.Number, adopted.Objects, adopted.Sessions, adopted.Spaces,
            adopted.Exchange.Length > 0 ? $". {adopted.Exchange}" : "");
    }

    private static TimeSpan SinceStart()
    {
        using var self = Process.GetCurrentProcess();
        return DateTime.UtcNow - self.StartTime.ToUniversalTime();
    }
}
