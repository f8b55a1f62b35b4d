namespace TpmFs.Rm;

/// <summary>
/// Counts what users hold of a thing that all of them share, and says whether one of them may have more. A user may
/// hold no more than is free, in all domains together, since one user may own many domains. A domain may hold no more
/// than is free, since the programs of one container may have many uids; and a user of the domain no more than the
/// domain may still take. So a domain has at most half, however many users it has, each further domain half of what is
/// left, and one user of a domain a third. One thread at a time.
/// </summary>
/// <typeparam name="TDomain">
/// Names a domain. Null stands for what all users share: each of its users counts as a domain.
/// </typeparam>
public sealed class DomainShares<TDomain>
    where TDomain : class
{
    private const uint Root = 0;

    private readonly Dictionary<uint, long> _ofUsers = [];
    private readonly Dictionary<TDomain, long> _ofDomains = [];
    private readonly Dictionary<(TDomain Domain, uint User), long> _ofDomainsUsers = [];

    /// <summary>Gets what all users hold together.</summary>
    public long Total { get; private set; }

    /// <summary>Returns what a user holds in all domains together.</summary>
    public long Of(uint user) => _ofUsers.GetValueOrDefault(user);

    /// <summary>Returns true when a user's share, and the domain's, allow so much more.</summary>
    /// <param name="domain">The domain.</param>
    /// <param name="user">The user, with all uids that the system gives to that user.</param>
    /// <param name="free">The amount that nobody holds.</param>
    /// <param name="amount">The amount that the user wants.</param>
    public bool Allow(TDomain? domain, uint user, long free, long amount = 1) =>
        Of(user) + amount <= free
        && (domain is null
            || _ofDomainsUsers.GetValueOrDefault((domain, user)) + amount
                <= free - _ofDomains.GetValueOrDefault(domain));

    /// <summary>
    /// Returns true when so much more is allowed of a thing of which root may have all, and other users have shares of
    /// what is left beside root's reserve.
    /// </summary>
    /// <param name="reserve">The amount that only root gets.</param>
    /// <param name="domain">The domain.</param>
    /// <param name="user">The user, with all uids that the system gives to that user.</param>
    /// <param name="free">The amount that nobody holds, the reserve included.</param>
    /// <param name="amount">The amount that the user wants.</param>
    public bool AllowBeside(long reserve, TDomain? domain, uint user, long free, long amount = 1) =>
        user == Root ? amount <= free : Allow(domain, user, free - reserve, amount);

    /// <summary>Counts an amount for a user, whether or not <see cref="Allow"/> says so.</summary>
    /// <param name="domain">The domain.</param>
    /// <param name="user">The user, with all uids that the system gives to that user.</param>
    /// <param name="amount">The amount that the user has now; less than 0 for one that the user gives back.</param>
    public void Add(TDomain? domain, uint user, long amount = 1)
    {
        Total += amount;
        Add(_ofUsers, user, amount);
        if (domain is not null)
        {
            Add(_ofDomains, domain, amount);
            Add(_ofDomainsUsers, (domain, user), amount);
        }
    }

    /// <summary>Counts anew: nobody holds anything.</summary>
    public void Clear()
    {
        Total = 0;
        _ofUsers.Clear();
        _ofDomains.Clear();
        _ofDomainsUsers.Clear();
    }

    private static void Add<TKey>(Dictionary<TKey, long> counts, TKey key, long amount)
        where TKey : notnull
    {
        long held = counts.GetValueOrDefault(key) + amount;
        if (held > 0)
        {
            counts[key] = held;
        }
        else
        {
            counts.Remove(key);
        }
    }
}
