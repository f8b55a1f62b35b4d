namespace TpmFs.Rm.Ledger;

/// <summary>Counts how many transient objects each user of a domain holds.</summary>
internal sealed class ObjectCounts
{
    private readonly Dictionary<DomainUser, int> _held = [];
    private readonly Dictionary<SchedulingGroup, int> _ofGroups = [];

    /// <summary>The objects of all users.</summary>
    public int Total { get; private set; }

    public int Of(DomainUser user) => _held.GetValueOrDefault(user);

    /// <summary>Returns the objects of all users of a domain.</summary>
    public int Of(SchedulingGroup group) => _ofGroups.GetValueOrDefault(group);

    /// <summary>Counts one more object for the user.</summary>
    public void Add(DomainUser user)
    {
        _held[user] = Of(user) + 1;
        _ofGroups[user.Group] = Of(user.Group) + 1;
        Total++;
    }

    /// <summary>Counts one object less for the user.</summary>
    public void Remove(DomainUser user)
    {
        Remove(_held, user);
        Remove(_ofGroups, user.Group);
        Total--;
    }

    private static void Remove<TKey>(Dictionary<TKey, int> counts, TKey key)
        where TKey : notnull
    {
        if (--counts[key] == 0)
        {
            counts.Remove(key);
        }
    }
}
