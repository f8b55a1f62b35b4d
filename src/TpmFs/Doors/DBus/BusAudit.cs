using Serilog;
using TpmFs.Clients;
using TpmFs.Logs;

namespace TpmFs.Doors.DBus;

/// <summary>Writes the audit's events about calls on the bus. Any thread; never waits.</summary>
internal static class BusAudit
{
    /// <summary>Logs that a call is refused.</summary>
    /// <param name="caller">The caller; null when the bus does not tell.</param>
    /// <param name="sender">The caller's unique name.</param>
    /// <param name="refusal">The error that the caller gets.</param>
    public static void Refused(ILogger log, BusCaller? caller, string sender, BusRefusal refusal)
    {
        ILogger typed = log.Of(EventType.CallRefused);
        if (caller is null)
        {
            typed.Warning("D-Bus: a call of {Sender} is refused: {Reason}", sender, refusal.Sentence);
            return;
        }

        string command = Client.Of(caller.ToCaller(), caller.Uid).Command;
        typed.Warning(
            "D-Bus: a call of process {Pid} ({Command}) of user {Uid} is refused: {Reason}", caller.Pid, command,
            caller.Uid, refusal.Sentence);
    }
}
