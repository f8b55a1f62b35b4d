using Serilog;
using TpmFs.Logs;

namespace TpmFs.Doors.DBus;

/// <summary>Writes the audit's events about calls on the bus. Any thread; never waits.</summary>
internal static class BusAudit
{
    /// <summary>
    /// Logs that a call is refused. A caller of whom the bus does not say which user it is gets no entry, since it
    /// would count to no user's share of the log.
    /// </summary>
    /// <param name="caller">The caller.</param>
    /// <param name="refusal">The error that the caller gets.</param>
    public static void Refused(ILogger log, BusCaller caller, BusRefusal refusal)
    {
        string command = ProcessName.OfThread(caller.Pid).Name;
        log.Of(EventType.CallRefused).Warning(
            "D-Bus: a call of process {Pid} ({Command}) of user {Uid} is refused: {Reason}", caller.Pid, command,
            caller.Uid, refusal.Sentence);
    }
}
