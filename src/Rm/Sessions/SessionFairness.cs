using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Sessions;

/// <summary>
/// Decides which user loses a session when the TPM has none left. A session goes from the user who is furthest beyond a
/// fair share to a user who is less far beyond it, even when it is in use. No user loses one to a user who would then
/// be further beyond. Used by the manager's thread alone.
/// </summary>
/// <remarks>
/// A session is taken only from a user with a strictly higher level, so two users never take it back and forth. Between
/// equal users, and between the openers of one user, only two kinds of sessions give way: saved ones whose opener is
/// gone, and those that have not been used for the grace time.
/// </remarks>
internal sealed class SessionFairness(SessionLedger sessions, TimeProvider time)
{
    /// <summary>Returns the session that gives way to the asker; null when there is none, or none yet.</summary>
    /// <param name="waited">
    /// The time that the asker has waited. A session that an opener still holds is taken after the grace time.
    /// </param>
    public Session? FindLeaving(SpaceRecord asker, TimeSpan waited)
    {
        var shares = new SessionShares(sessions.All, [asker.Owner]);
        var holder = DomainUser.Of(asker.Owner);
        ShareLevel asked = shares.LevelOf(holder, more: 1);
        DomainUser[] others = [.. shares.GreediestFirst.Where(other => other != holder)];
        DomainUser[] beyond = [.. others.TakeWhile(other => shares.LevelOf(other).CompareTo(asked) > 0)];
        DomainUser[] equal =
        [
            .. others.Skip(beyond.Length).TakeWhile(other => shares.LevelOf(other).CompareTo(asked) == 0),
        ];

        bool mayTake = waited >= TimeLimits.SessionGrace;
        return FirstAbandoned(beyond)
            ?? (mayTake && beyond.Length > 0 ? Oldest(asker, beyond[0]) : null)
            ?? FirstAbandoned([holder, .. equal])
            ?? (mayTake ? FirstIdle(asker, [.. equal, holder]) : null);
    }

    /// <summary>
    /// Returns the level by which waiting users get a session: the user with the lowest level comes first.
    /// </summary>
    /// <param name="waiting">The owners who wait for a session.</param>
    public Func<SpaceOwner, ShareLevel> OrderOf(IEnumerable<SpaceOwner> waiting)
    {
        var shares = new SessionShares(sessions.All, waiting);
        return owner => shares.LevelOf(DomainUser.Of(owner), more: 1);
    }

    private Session? FirstAbandoned(IEnumerable<DomainUser> holders) =>
        holders.Select(holder => LeastRecent(holder, session => session.IsAbandoned))
            .FirstOrDefault(found => found is not null);

    private Session? FirstIdle(SpaceRecord asker, IEnumerable<DomainUser> holders) =>
        holders
            .Select(holder => LeastRecent(holder, session => session.Opener != asker.Id && IsIdle(session)))
            .FirstOrDefault(found => found is not null);

    private Session? Oldest(SpaceRecord asker, DomainUser holder) =>
        LeastRecent(holder, session => session.Opener != asker.Id);

    private Session? LeastRecent(DomainUser holder, Func<Session, bool> may) =>
        sessions.All
            .Where(session => DomainUser.Of(session.Owner) == holder && may(session))
            .MinBy(session => session.LastUse);

    private bool IsIdle(Session session) => time.GetElapsedTime(session.LastUse) >= TimeLimits.SessionGrace;
}
