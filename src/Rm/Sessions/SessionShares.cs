using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Sessions;

/// <summary>
/// Compares the sessions that each user holds with that user's fair share. Groups share the TPM's sessions by their
/// weights, the groups of one owner have together what one of them would have, and the users of a group share the
/// group's part equally. Only users who hold a session or ask for one count.
/// </summary>
internal sealed class SessionShares
{
    private readonly Dictionary<DomainUser, int> _held = [];
    private readonly Dictionary<SchedulingGroup, int> _users = [];
    private readonly Dictionary<uint, int> _groups = []; // by their owners

    /// <param name="held">Every session that the manager knows.</param>
    /// <param name="asking">The owners who ask for one more session.</param>
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

    /// <summary>Returns the users who hold sessions, the user furthest beyond a fair share first.</summary>
    public IEnumerable<DomainUser> GreediestFirst =>
        _held.Where(entry => entry.Value > 0).Select(entry => entry.Key).OrderByDescending(holder => LevelOf(holder));

    /// <summary>Returns how full a holder's share is, or would be.</summary>
    /// <param name="more">Sessions beyond those that the holder has.</param>
    public ShareLevel LevelOf(DomainUser holder, int more = 0) =>
        new(
            (long)(_held[holder] + more) * _users[holder.Group] * _groups.GetValueOrDefault(holder.Group.Owner, 1),
            Math.Max(holder.Group.Weight, 1));

    private void Count(DomainUser holder, int sessions)
    {
        if (!_held.TryGetValue(holder, out int before))
        {
            int users = _users.GetValueOrDefault(holder.Group);
            _users[holder.Group] = users + 1;
            if (users == 0 && holder.Group.Owner is not 0 and var owner)
            {
                _groups[owner] = _groups.GetValueOrDefault(owner) + 1;
            }
        }

        _held[holder] = before + sessions;
    }
}

/// <summary>
/// Says how full a user's share is: the sessions that the user holds, divided by the user's share. Levels of one
/// <see cref="SessionShares"/> can be compared.
/// </summary>
/// <param name="Held">
/// The user's sessions, times the number of users who share the group's part, and of groups that share the owner's.
/// </param>
/// <param name="Weight">The group's weight.</param>
internal readonly record struct ShareLevel(long Held, long Weight) : IComparable<ShareLevel>
{
    public int CompareTo(ShareLevel other) => (Held * other.Weight).CompareTo(other.Held * Weight);
}
