using Serilog.Events;
using Serilog.Parsing;

namespace TpmFs.Logs;

/// <summary>Counts events that could not be logged, until it can be said how many. Any thread.</summary>
internal sealed class LostEvents
{
    private static readonly MessageTemplate s_template = new MessageTemplateParser().Parse("{Dropped} log events were dropped: the log does not drain");

    private int _count;

    public void Add() => Interlocked.Increment(ref _count);

    /// <summary>The event that says how many were lost since the last one; null where none was.</summary>
    public LogEvent? Take(DateTimeOffset when) => Interlocked.Exchange(ref _count, 0) is > 0 and var lost
        ? new LogEvent(
            when,
            LogEventLevel.Warning,
            null,
            s_template,
            [new LogEventProperty("Dropped", new ScalarValue(lost)), new LogEventProperty(EventType.MessageIdProperty, new ScalarValue(EventType.Dropped.MessageId))])
        : null;
}
