using Serilog.Events;
using TpmFs.Policy;
using TpmFs.Rm;

namespace TpmFs.Logs;

/// <summary>
/// Decides which events go to the log, so that the events of one user, or of one domain, do not push out the events of
/// others. Each user and each domain has a share of the queue, and of the events in a stretch of time. Any thread.
/// </summary>
/// <param name="capacity">Events in the queue; root's, and the daemon's own, have a reserve on top.</param>
/// <param name="payers">
/// Names the user to whose share in a <see cref="Stretch"/> an event counts. A share of the queue belongs to each uid.
/// </param>
internal sealed class LogShares(int capacity, Payers payers)
{
    /// <summary>
    /// The most events that a user may bring about in a <see cref="Stretch"/>: a tenth of what journald takes of one
    /// service by default.
    /// </summary>
    public const int MostInStretch = 1000;

    /// <summary>The stretch of time that journald counts in, too (RateLimitIntervalSec=).</summary>
    public static readonly TimeSpan Stretch = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The most events that all users together may bring about in a <see cref="Stretch"/>. Root and the daemon itself
    /// use the rest of what journald takes.
    /// </summary>
    public const int MostOfUsers = 8000;

    /// <summary>The property of an event that names the domain in which the event came about.</summary>
    public const string DomainProperty = "Domain";

    private const int ReservePart = 8;

    private readonly Lock _gate = new();
    private readonly TreeShares<string> _queue = new(capacity, capacity / ReservePart);
    private readonly DomainShares<string> _counts = new(); // in this stretch
    private DateTimeOffset _from;

    /// <summary>
    /// Returns the user whose doings caused an event; 0 for root and for events of the daemon itself.
    /// </summary>
    public static uint UserOf(LogEvent logEvent) =>
        logEvent.Properties.TryGetValue("Uid", out LogEventPropertyValue? value)
            && value is ScalarValue { Value: uint uid } ? uid : 0;

    /// <summary>Takes a place in the queue for an event.</summary>
    /// <returns>False when the event is to be dropped, since its user has enough of them.</returns>
    public bool TryEnter(LogEvent logEvent)
    {
        (string? domain, uint uid) = (DomainOf(logEvent), UserOf(logEvent));
        return Counts(domain, payers.Of(uid), logEvent.Timestamp)
            && _queue.TryTake(domain, uid, isAdministrator: uid == 0);
    }

    /// <summary>Gives the place of an event back that has left the queue.</summary>
    public void Leave(LogEvent logEvent) => _queue.Return(DomainOf(logEvent), UserOf(logEvent));

    /// <summary>Returns the domain in which an event came about; null for the root, whose name has no slash.</summary>
    private static string? DomainOf(LogEvent logEvent) =>
        logEvent.Properties.TryGetValue(DomainProperty, out LogEventPropertyValue? value)
            && value is ScalarValue { Value: string name } && name.Contains('/', StringComparison.Ordinal)
            ? name : null;

    private bool Counts(string? domain, uint user, DateTimeOffset now)
    {
        if (user == 0)
        {
            return true;
        }

        lock (_gate)
        {
            if (now - _from >= Stretch || now < _from)
            {
                _counts.Clear();
                _from = now;
            }

            bool isGranted = _counts.Of(user) < MostInStretch
                && _counts.Allow(domain, user, MostOfUsers - _counts.Total);
            if (isGranted)
            {
                _counts.Add(domain, user);
            }

            return isGranted;
        }
    }
}
