using Mono.Unix.Native;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using TpmFs.Systemd;

namespace TpmFs.Logs;

/// <summary>
/// Sends events to the system's journal, through libsystemd, which is loaded only when the journal is there.
/// </summary>
/// <param name="lost">Learns of events that the journal did not take.</param>
internal sealed class Journal(LostEvents lost) : ILogEventSink
{
    private const string SocketPath = "/run/systemd/journal/socket";

    /// <summary>
    /// True when this process's stderr is the journal's: JOURNAL_STREAM names its device and inode (systemd.exec(5)),
    /// so a redirection to a file or a terminal is respected.
    /// </summary>
    public static bool IsStderr =>
        Environment.GetEnvironmentVariable("JOURNAL_STREAM") is { } stream
        && Syscall.fstat(2, out Stat stderr) == 0
        && stream == $"{stderr.st_dev}:{stderr.st_ino}";

    /// <summary>Returns true when stderr is the journal's, and libsystemd and the journal's socket are there.</summary>
    public static bool IsHere() => IsStderr
        && File.Exists(SocketPath)
        && LibSystemd.IsHere;

    /// <summary>
    /// Returns the journal behind a logger of its own, so that a failure in here does not reach the caller.
    /// </summary>
    public static Logger Open(LostEvents lost) =>
        new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Sink(new Journal(lost)).CreateLogger();

    /// <summary>Sends one event. Counts it as lost when the journal does not take it.</summary>
    public void Emit(LogEvent logEvent)
    {
        if (LibSystemd.JournalSend(JournalFields.Of(logEvent)) < 0)
        {
            lost.Add(logEvent);
        }
    }
}
