using TpmFs.Rm;

namespace TpmFs.Policy;

/// <summary>
/// Counts what the users of the whole tree hold of a bounded resource, by users and by domains
/// (<see cref="DomainShares{TDomain}"/>). The administrator may fill the resource, and always gets the reserve, which
/// comes on top when users hold the rest. Any thread.
/// </summary>
/// <typeparam name="TDomain">
/// Names a domain. Null stands for what all users share: each of its users counts as a domain.
/// </typeparam>
/// <param name="max">The bound of the whole.</param>
/// <param name="reserve">The administrator's part in any case.</param>
internal sealed class TreeShares<TDomain>(long max, long reserve)
    where TDomain : class
{
    private readonly Lock _gate = new();
    private readonly DomainShares<TDomain> _held = new();

    /// <summary>Takes an amount for a user.</summary>
    /// <param name="domain">The domain in which the user takes it.</param>
    /// <param name="user">The user whose share it is taken from.</param>
    /// <param name="isAdministrator">True for the administrator.</param>
    /// <param name="amount">The amount.</param>
    /// <returns>False when the user's share, the domain's, or the whole, is used up.</returns>
    public bool TryTake(TDomain? domain, uint user, bool isAdministrator, long amount = 1)
    {
        lock (_gate)
        {
            long free = max - _held.Total;
            bool isGranted = isAdministrator
                ? amount <= free || _held.Of(user) + amount <= reserve
                : _held.Allow(domain, user, free, amount);
            if (isGranted)
            {
                _held.Add(domain, user, amount);
            }

            return isGranted;
        }
    }

    /// <summary>Takes an amount for a user without a check: the user has it already.</summary>
    public void Take(TDomain? domain, uint user, long amount = 1)
    {
        lock (_gate)
        {
            _held.Add(domain, user, amount);
        }
    }

    /// <summary>Gives back what <see cref="TryTake"/> or <see cref="Take"/> took.</summary>
    public void Return(TDomain? domain, uint user, long amount = 1) => Take(domain, user, -amount);
}
