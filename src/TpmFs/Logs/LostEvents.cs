using Serilog.Events;
using Serilog.Parsing;

namespace TpmFs.Logs;

/// <summary>
/// Counts the events that could not be logged, by the users who caused them, until an event can tell the count. Any
/// thread.
/// </summary>
internal sealed class LostEvents
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

    /// <summary>
    /// The least time between two reports of what users lost, so that the reports do not add to a flood of events.
    /// </summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<uint, int> _counts = [];
    private DateTimeOffset _saidAt = DateTimeOffset.MinValue;

    public void Add(uint uid)
    {
        lock (_gate)
        {
            uint counted = _counts.Count < MostUsers || _counts.ContainsKey(uid) ? uid : 0;
            _counts[counted] = _counts.GetValueOrDefault(counted) + 1;
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
            if (_counts.Count == 0 || (!isLast && when - _saidAt < s_pause && when >= _saidAt))
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
            new("Dropped", new ScalarValue(lost)),
            new(EventType.MessageIdProperty, new ScalarValue(EventType.Dropped.MessageId)),
        ];
        if (uid != 0)
        {
            properties.Add(new LogEventProperty("Uid", new ScalarValue(uid)));
        }

        return new LogEvent(when, LogEventLevel.Warning, null, uid == 0 ? s_ofDaemon : s_ofUser, properties);
    }
}
