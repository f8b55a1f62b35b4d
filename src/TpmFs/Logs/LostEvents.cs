using Serilog.Events;
using Serilog.Parsing;

namespace TpmFs.Logs;

/// <summary>
/// Counts the events that could not be logged, by the users who caused them, until an event can tell the count. Any
/// thread.
/// </summary>
/// <param name="pause">
/// The least time between two reports of what users lost, so that the reports do not add to a flood of events.
/// </param>
internal sealed class LostEvents(TimeSpan pause)
{
    /// <summary>
    /// The most users that are counted by themselves. The events that other users lose count as root's and the daemon's
    /// own.
    /// </summary>
    private const int MostUsers = 64;

    private static readonly MessageTemplate s_ofDaemon = new MessageTemplateParser()
        .Parse("{Dropped} log events were dropped: they came faster than the log took them");
    private static readonly MessageTemplate s_ofUser = new MessageTemplateParser().Parse(
        "{Dropped} log events that user {Uid} caused were dropped: one user may cause only so many, so that the events "
            + "of others are kept");

    private const string DroppedProperty = "Dropped";

    private readonly Lock _gate = new();
    private readonly Dictionary<uint, int> _counts = [];
    private DateTimeOffset _saidAt = DateTimeOffset.MinValue;

    /// <summary>
    /// Gets the time after which somebody should ask for a report again, if no event comes earlier; infinite while
    /// nothing is lost.
    /// </summary>
    public TimeSpan NextReport
    {
        get
        {
            lock (_gate)
            {
                return _counts.Count > 0 ? pause : Timeout.InfiniteTimeSpan;
            }
        }
    }

    /// <summary>Counts an event. A report that is lost counts as the events that it reports.</summary>
    /// <returns>True for the first event since the last report.</returns>
    public bool Add(LogEvent lost)
    {
        uint uid = LogShares.UserOf(lost);
        int events = lost.Properties.TryGetValue(DroppedProperty, out LogEventPropertyValue? value)
            && value is ScalarValue { Value: int reported } ? reported : 1;
        lock (_gate)
        {
            uint counted = _counts.Count < MostUsers || _counts.ContainsKey(uid) ? uid : 0;
            _counts[counted] = _counts.GetValueOrDefault(counted) + events;
            return _counts.Count == 1 && _counts[counted] == events;
        }
    }

    /// <summary>
    /// Returns the events that report how many were lost since the last report; none shortly after it.
    /// </summary>
    /// <param name="when">The time now, which the events have.</param>
    /// <param name="isLast">True when nobody will ask again.</param>
    public LogEvent[] Take(DateTimeOffset when, bool isLast)
    {
        lock (_gate)
        {
            if (_counts.Count == 0 || (!isLast && when - _saidAt < pause && when >= _saidAt))
            {
                return [];
            }

            _saidAt = when;
            LogEvent[] words = [.. _counts.Select(lost => Word(when, lost.Key, lost.Value))];
            _counts.Clear();
            return words;
        }
    }

    private static LogEvent Word(DateTimeOffset when, uint uid, int lost)
    {
        List<LogEventProperty> properties =
        [
            new(DroppedProperty, new ScalarValue(lost)),
            new(EventType.MessageIdProperty, new ScalarValue(EventType.Dropped.MessageId)),
        ];
        if (uid != 0)
        {
            properties.Add(new LogEventProperty("Uid", new ScalarValue(uid)));
        }

        return new LogEvent(when, LogEventLevel.Warning, null, uid == 0 ? s_ofDaemon : s_ofUser, properties);
    }
}
