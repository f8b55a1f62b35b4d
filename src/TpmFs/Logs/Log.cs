using Serilog;
using Serilog.Core;
using Serilog.Events;
using TpmFs.Policy;

namespace TpmFs.Logs;

/// <summary>Opens the daemon's log: the journal when stderr is the journal's, else stderr, for people.</summary>
internal static class Log
{
    private const int Capacity = 4096;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_pauseOfReports = TimeSpan.FromSeconds(10);

    /// <param name="level">
    /// The lowest level that is logged, of events other than the audit's, which are logged in any case.
    /// </param>
    /// <param name="payers">Names the user to whose share an event counts.</param>
    public static Logger Open(LogEventLevel level, Payers payers)
    {
        var lost = new LostEvents(s_pauseOfReports);
        return OpenOn(Journal.IsHere() ? Journal.Open(lost) : Terminal(), lost, level, payers);
    }

    internal static Logger OpenOn(ILogEventSink sink, LostEvents lost, LogEventLevel level, Payers payers) =>
        new LoggerConfiguration()
            .MinimumLevel.Is(level < LogEventLevel.Information ? level : LogEventLevel.Information)
            .Filter.ByIncludingOnly(logEvent => logEvent.Level >= level || EventType.IsOfAudit(logEvent))
            .WriteTo.Sink(new BackgroundSink(sink, new LogShares(Capacity, payers), lost, s_patience))
            .CreateLogger();

    private static Logger Terminal() => new LoggerConfiguration()
        .MinimumLevel.Verbose()
        .WriteTo.Console(new PlainText(), standardErrorFromLevel: LogEventLevel.Verbose)
        .CreateLogger();
}
