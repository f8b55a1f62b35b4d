using TpmFs.Openers;
using TpmFs.Rm;

namespace TpmFs.Domains;

/// <summary>What a domain uses now, and has used since the daemon began. Times in microseconds.</summary>
internal sealed record DomainStatistics(
    long Openers,
    long Objects,
    long Sessions,
    long Commands,
    long TpmCommands,
    long Evictions,
    long Denied,
    long Errors,
    long AuthFailures,
    long Lockouts,
    long BusyMicroseconds,
    long QueueMicroseconds,
    long Running,
    long RunningMicroseconds,
    long Unread,
    long UnreadBytes,
    long WaitingReads,
    long Revoked)
{
    /// <summary>Every value with its name, and whether it only ever grows.</summary>
    public static IReadOnlyList<StatisticKey> Keys { get; } =
    [
        new("openers", false, "openers now", of => of.Openers),
        new("objects", false, "transient objects held now", of => of.Objects),
        new("sessions", false, "sessions held now", of => of.Sessions),
        new("commands", true, "commands answered", of => of.Commands),
        new("tpm_commands", true, "commands sent to the TPM for them", of => of.TpmCommands),
        new("evictions", true, "objects and sessions that had to leave a slot of the TPM for them", of => of.Evictions),
        new("denied", true, "commands refused by policy", of => of.Denied),
        new("errors", true, "responses other than success", of => of.Errors),
        new("auth_failures", true, "failed authorizations, each of which counts towards the TPM's lockout",
            of => of.AuthFailures),
        new("lockouts", true, "commands refused because the TPM is locked out", of => of.Lockouts),
        new("busy_usec", true, "the TPM's time used", of => of.BusyMicroseconds),
        new("queue_usec", true, "time that commands waited for the TPM", of => of.QueueMicroseconds),
        new("running", false, "commands under way now", of => of.Running),
        new("running_usec", false, "the age of the oldest command under way", of => of.RunningMicroseconds),
        new("unread", false, "responses that wait to be read now", of => of.Unread),
        new("unread_bytes", false, "their bytes", of => of.UnreadBytes),
        new("waiting_reads", false, "reads that wait for a response now", of => of.WaitingReads),
        new("revoked", false, "openers that were revoked and are still held open", of => of.Revoked),
    ];

    /// <param name="tpm">The number of the TPM that it is about; null for all of them together.</param>
    public static DomainStatistics Of(Domain domain, int? tpm = null)
    {
        Opener[] openers = Array.FindAll(domain.Openers, opener => tpm is null || opener.Identity.Tpm == tpm);
        Usage[] usages = domain.UsagesOf(tpm);
        OpenerActivity[] all = Array.ConvertAll(openers, opener => opener.Activity);
        OpenerActivity[] running = Array.FindAll(all, activity => activity.State == OpenerState.Running);
        return new DomainStatistics(
            openers.Length,
            openers.Sum(opener => (long)opener.Space.ObjectCount),
            openers.Sum(opener => (long)opener.Space.SessionCount),
            usages.Sum(usage => usage.Commands),
            usages.Sum(usage => usage.TpmCommands),
            usages.Sum(usage => usage.Evictions),
            usages.Sum(usage => usage.Denied),
            usages.Sum(usage => usage.Errors),
            usages.Sum(usage => usage.AuthorizationFailures),
            usages.Sum(usage => usage.Lockouts),
            usages.Sum(usage => usage.Busy.Ticks / TimeSpan.TicksPerMicrosecond),
            usages.Sum(usage => usage.Queued.Ticks / TimeSpan.TicksPerMicrosecond),
            running.Length,
            running.Select(activity => activity.Since.Ticks / TimeSpan.TicksPerMicrosecond).DefaultIfEmpty().Max(),
            all.Count(activity => activity.State == OpenerState.Unread),
            all.Sum(activity => (long)activity.UnreadBytes),
            all.Sum(activity => (long)activity.WaitingReads),
            domain.CountRevoked(tpm));
    }
}

/// <summary>One value of a domain's statistics.</summary>
/// <param name="Grows">Whether it counts from the daemon's start on; else it is of now.</param>
/// <param name="Meaning">For people.</param>
internal sealed record StatisticKey(string Name, bool Grows, string Meaning, Func<DomainStatistics, long> Get);
