using TpmFs.Rm;

namespace TpmFs.Clients;

/// <summary>
/// The use that a domain makes of the daemon and the TPMs, now and since the daemon began. Times in microseconds. <see
/// cref="Keys"/> says what each value is.
/// </summary>
internal sealed record DomainStatistics
{
    public required long Openers { get; init; }

    public required long Objects { get; init; }

    public required long Sessions { get; init; }

    public required long Commands { get; init; }

    public required long TpmCommands { get; init; }

    public required long Evictions { get; init; }

    public required long Denied { get; init; }

    public required long Errors { get; init; }

    public required long AuthFailures { get; init; }

    public required long Lockouts { get; init; }

    public required long BusyMicroseconds { get; init; }

    public required long QueueMicroseconds { get; init; }

    public required long Running { get; init; }

    public required long RunningMicroseconds { get; init; }

    public required long Unread { get; init; }

    public required long UnreadBytes { get; init; }

    public required long WaitingReads { get; init; }

    public required long Revoked { get; init; }

    /// <summary>Every value with its name, and whether it only ever grows.</summary>
    public static IReadOnlyList<StatisticKey> Keys { get; } =
    [
        new("openers", false, "openers now", of => of.Openers),
        new("objects", false, "transient objects held now", of => of.Objects),
        new("sessions", false, "sessions held now", of => of.Sessions),
        new("commands", true, "commands answered", of => of.Commands),
        new("tpm_commands", true, "commands sent to the TPM for these commands", of => of.TpmCommands),
        new("evictions", true, "objects and sessions moved out of the TPM's slots for these commands",
            of => of.Evictions),
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
        new("unread_bytes", false, "bytes of the responses that wait to be read now", of => of.UnreadBytes),
        new("waiting_reads", false, "reads that wait for a response now", of => of.WaitingReads),
        new("revoked", false, "openers that were revoked and are still held open", of => of.Revoked),
    ];

    /// <summary>Adds up what a domain's conversations use and have used.</summary>
    /// <param name="domain">The domain.</param>
    /// <param name="tpm">The number of the TPM that it is about; null for all of them together.</param>
    public static DomainStatistics Of(Domain domain, int? tpm = null)
    {
        Conversation[] open =
            Array.FindAll(domain.Conversations, conversation => tpm is null || conversation.Identity.Node.Tpm == tpm);
        Usage[] usages = domain.UsagesOf(tpm);
        ConversationActivity[] all = Array.ConvertAll(open, conversation => conversation.Activity);
        ConversationActivity[] running = Array.FindAll(all, activity => activity.State == ConversationState.Running);
        return new DomainStatistics
        {
            Openers = open.Length,
            Objects = open.Sum(conversation => (long)conversation.ObjectCount),
            Sessions = open.Sum(conversation => (long)conversation.SessionCount),
            Commands = usages.Sum(usage => usage.Commands),
            TpmCommands = usages.Sum(usage => usage.TpmCommands),
            Evictions = usages.Sum(usage => usage.Evictions),
            Denied = usages.Sum(usage => usage.Denied),
            Errors = usages.Sum(usage => usage.Errors),
            AuthFailures = usages.Sum(usage => usage.AuthorizationFailures),
            Lockouts = usages.Sum(usage => usage.Lockouts),
            BusyMicroseconds = usages.Sum(usage => usage.Busy.Ticks / TimeSpan.TicksPerMicrosecond),
            QueueMicroseconds = usages.Sum(usage => usage.Queued.Ticks / TimeSpan.TicksPerMicrosecond),
            Running = running.Length,
            RunningMicroseconds =
                running.Select(activity => activity.Since.Ticks / TimeSpan.TicksPerMicrosecond).DefaultIfEmpty().Max(),
            Unread = all.Count(activity => activity.State == ConversationState.Unread),
            UnreadBytes = all.Sum(activity => (long)activity.UnreadBytes),
            WaitingReads = all.Sum(activity => (long)activity.WaitingReads),
            Revoked = domain.CountRevoked(tpm),
        };
    }
}

/// <summary>One value of a domain's statistics.</summary>
/// <param name="Grows">True when it counts from the daemon's start on; false when it is a value of this moment.</param>
/// <param name="Meaning">For people.</param>
internal sealed record StatisticKey(string Name, bool Grows, string Meaning, Func<DomainStatistics, long> Get);
