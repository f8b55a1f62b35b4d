using Serilog.Events;
using TpmFs.Policy;

namespace TpmFs.Logs;

/// <summary>
/// Decides which events go to the log, so that the events of one user do not push out the events of others. Each user
/// has a share of the queue, and a number of events in a stretch of time. Any thread.
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

    private const int ReservePart = 8;

    private readonly Lock _gate = new();
    private readonly FairShares _queue = new(capacity / ReservePart);
    private readonly Dictionary<uint, int> _counts = []; // in this stretch, and no more entries than events
    private DateTimeOffset _from;
    private int _count;

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
        uint uid = UserOf(logEvent);
        return Counts(payers.Of(uid), logEvent.Timestamp)
            && _queue.TryTake(uid, uid == 0 ? Standing.Administrator : Standing.User, capacity);
    }

    /// <summary>Gives the place of an event back that has left the queue.</summary>
    public void Leave(LogEvent logEvent) => _queue.Return(UserOf(logEvent));

    private bool Counts(uint uid, DateTimeOffset now)
    {
        if (uid == 0)
        {
            return true;
        }

        lock (_gate)
        {
            if (now - _from >= Stretch || now < _from)
            {
                _counts.Clear();
                (_from, _count) = (now, 0);
            }

            int own = _counts.GetValueOrDefault(uid);
            bool granted = own < Math.Min(MostInStretch, MostOfUsers - _count);
            if (granted)
            {
                _counts[uid] = own + 1;
                _count++;
            }

            return granted;
        }
    }
}
