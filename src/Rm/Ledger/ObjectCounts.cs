namespace TpmFs.Rm.Ledger;

/// <summary>Counts how many transient objects each user of a domain holds.</summary>
internal sealed class ObjectCounts
{
    private readonly Dictionary<DomainUser, int> _held = [];

    /// <summary>The objects of all users.</summary>
    public int Total { get; private set; }

    public int Of(DomainUser user) => _held.GetValueOrDefault(user);

    /// <summary>Counts one more object for the user.</summary>
    public void Add(DomainUser user)
    {
        _held[user] = Of(user) + 1;
        Total++;
    }

    /// <summary>Counts one object less for the user.</summary>
    public void Remove(DomainUser user)
    {
        if (--_held[user] == 0)
        {
            _held.Remove(user);
        }

        Total--;
    }
}
