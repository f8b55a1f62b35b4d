using System.Diagnostics;
using Serilog;
using TpmFs.Fuse.Session;
using TpmFs.HandOver;
using TpmFs.Logs;
using TpmFs.Rm.Manager;
using TpmFs.Tree;

namespace TpmFs.Host;

/// <summary>Says what was taken over from the daemon before, and what was not and why.</summary>
internal sealed class TakeoverReport(ServedParts parts, Mirrors mirrors, string mountPoint, ILogger log)
{
    /// <summary>Logs it, and shows it in the file status.</summary>
    public void Say(FuseTakenOver requests)
    {
        TakenOver openers = parts.Tree.TakenOver;
        using var self = Process.GetCurrentProcess();
        TimeSpan sinceStart = DateTime.UtcNow - self.StartTime.ToUniversalTime();
        string summary =
            $"{openers.Openers} openers, {openers.Commands} commands under way, {openers.Answers} unread responses, "
                + $"{requests.Requests} requests and {requests.Reads} waiting reads";
        parts.Status.ShowTakeovers(() => mirrors.Takeovers, summary);
        log.Of(EventType.TakenOver).Information(
            "{MountPoint} is taken over from the daemon before, {Milliseconds:0} ms after this one was started: {Summary}",
            mountPoint, sinceStart.TotalMilliseconds, summary);
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
            "TPM {Number}: {Objects} objects and {Sessions} sessions of {Spaces} openers go on. {Exchange}",
            tpm.Plan.Number, adopted.Objects, adopted.Sessions, adopted.Spaces, adopted.Exchange);
    }
}
