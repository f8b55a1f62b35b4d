using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Sessions;

/// <summary>Hands sessions to the clients that save them, within a limit.</summary>
internal static class SavedSessions
{
    /// <summary>
    /// Records that the session's client has its present context. Past the limit of saved sessions, the oldest sessions
    /// of the same owner are dropped.
    /// </summary>
    public static void GiveToClient(SessionLedger sessions, Session saved, SpaceRecord by)
    {
        sessions.GiveToClient(saved, by);
        while (sessions.SavedBy(saved.Owner).Count() > saved.Owner.Group.Limits.SavedSessionsMax)
        {
            sessions.Doom(sessions.SavedBy(saved.Owner).MinBy(old => old.LastUse)!);
        }
    }
}
