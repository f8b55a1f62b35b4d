using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace TpmFs.Logs;

/// <summary>Where the daemon's log goes: the journal when stderr is the journal's, else stderr, for people.</summary>
internal static class Log
{
    private const int Capacity = 4096;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    public static Logger Open(LogEventLevel level) => OpenOn(Journal.IsHere() ? Journal.Open() : Terminal(), level);

    /// <summary>The level is of what is no audit, which is logged in any case.</summary>
    internal static Logger OpenOn(ILogEventSink sink, LogEventLevel level) => new LoggerConfiguration()
        .MinimumLevel.Is(level < LogEventLevel.Information ? level : LogEventLevel.Information)
        .Filter.ByIncludingOnly(logEvent => logEvent.Level >= level || EventType.IsOfAudit(logEvent))
        .WriteTo.Sink(new BackgroundSink(sink, Capacity, s_patience))
        .CreateLogger();

    private static Logger Terminal() => new LoggerConfiguration()
        .MinimumLevel.Verbose()
        .WriteTo.Console(new PlainText(), standardErrorFromLevel: LogEventLevel.Verbose)
        .CreateLogger();
}
