using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Sessions;

/// <summary>
/// Measures what each user holds of the TPM's sessions by what is due to that user. Groups share the sessions by their
/// weights, and the users of a group share the group's part equally; only those count who hold a session or ask for
/// one.
/// </summary>
internal sealed class SessionShares
{
    private readonly Dictionary<DomainUser, int> _held = [];
    private readonly Dictionary<SchedulingGroup, int> _users = [];

    /// <param name="held">Every session that the manager knows.</param>
    /// <param name="asking">Those who ask for one more.</param>
    public SessionShares(IEnumerable<Session> held, IEnumerable<SpaceOwner> asking)
    {
        foreach (Session session in held)
        {
            Count(DomainUser.Of(session.Owner), 1);
        }

        foreach (SpaceOwner asker in asking)
        {
            Count(DomainUser.Of(asker), 0);
        }
    }

    /// <summary>Returns everybody who holds sessions, the one furthest beyond a fair share first.</summary>
    public IEnumerable<DomainUser> GreediestFirst =>
        _held.Where(entry => entry.Value > 0).Select(entry => entry.Key).OrderByDescending(holder => LevelOf(holder));

    /// <summary>Returns how full a holder's share is, or would be.</summary>
    /// <param name="more">Sessions beyond those that the holder has.</param>
    public ShareLevel LevelOf(DomainUser holder, int more = 0) =>
        new((long)(_held[holder] + more) * _users[holder.Group], Math.Max(holder.Group.Weight, 1));

    private void Count(DomainUser holder, int sessions)
    {
        if (!_held.TryGetValue(holder, out int before))
        {
            _users[holder.Group] = _users.GetValueOrDefault(holder.Group) + 1;
        }

        _held[holder] = before + sessions;
    }
}

/// <summary>
/// Says how full a user's share is: what the user holds, divided by what is due. Comparable within one
/// <see cref="SessionShares"/>.
/// </summary>
/// <param name="Held">Sessions, times the number of users that the group's part is shared by.</param>
/// <param name="Weight">The group's weight.</param>
internal readonly record struct ShareLevel(long Held, long Weight) : IComparable<ShareLevel>
{
    public int CompareTo(ShareLevel other) => (Held * other.Weight).CompareTo(other.Held * Weight);
}
