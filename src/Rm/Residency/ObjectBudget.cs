namespace TpmFs.Rm;

/// <summary>
/// Bounds the transient objects of all openers together, whose contexts the manager keeps in memory. Each user of a
/// domain may hold no more than is left for others: one user alone gets half, and a newcomer always finds room. Used by
/// the manager's thread alone.
/// </summary>
/// <param name="whole">How many objects there may be in all.</param>
internal sealed class ObjectBudget(int whole)
{
    private readonly Dictionary<DomainUser, int> _held = [];
    private int _left = whole;

    /// <summary>Returns true when the user may have one more object.</summary>
    public bool HasRoomFor(DomainUser user) => _held.GetValueOrDefault(user) < _left;

    /// <summary>Counts one more object of the user's.</summary>
    public void Add(DomainUser user)
    {
        _held[user] = _held.GetValueOrDefault(user) + 1;
        _left--;
    }

    /// <summary>Counts one object of the user's less.</summary>
    public void Remove(DomainUser user)
    {
        if (--_held[user] == 0)
        {
            _held.Remove(user);
        }

        _left++;
    }
}
