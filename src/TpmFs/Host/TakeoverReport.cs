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
        string summary = Summary(openers, requests);
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

        log.Of(EventType.TakenOver).Information("TPM {Number}: {Held}", tpm.Plan.Number, Held(adopted));
    }

    /// <summary>Returns what was taken over from the doors, as a list for a sentence.</summary>
    internal static string Summary(TakenOver openers, FuseTakenOver requests) =>
        $"{Quantity.Of(openers.Openers, "opener")}, {Quantity.Of(openers.Commands, "command")} under way, "
            + $"{Quantity.Of(openers.Answers, "unread response")}, {Quantity.Of(requests.Requests, "request")} and "
            + Quantity.Of(requests.Reads, "waiting read");

    /// <summary>Returns what was taken over of a TPM, as sentences.</summary>
    internal static string Held(ManagerAdoption adopted)
    {
        string held = $"{Quantity.Of(adopted.Objects, "object")} and {Quantity.Of(adopted.Sessions, "session")} of "
            + $"{Quantity.Of(adopted.Spaces, "opener")} go on.";
        return adopted.Exchange.Length == 0 ? held : $"{held} {adopted.Exchange}";
    }

    private static TimeSpan SinceStart()
    {
        using var self = Process.GetCurrentProcess();
        return DateTime.UtcNow - self.StartTime.ToUniversalTime();
    }
}
