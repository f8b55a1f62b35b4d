namespace TpmFs.Policy;

/// <summary>
/// Counts each user's part of a bounded resource, and refuses before one user can keep all others out. Any thread.
/// </summary>
/// <remarks>
/// A user gets one more while the user holds less than is free: one user alone gets half, two who take turns a third
/// each, and each later user half of what is left. The owner may fill the resource. The administrator may fill it too,
/// and always gets the reserve, which comes on top when users hold the rest.
/// </remarks>
/// <param name="reserve">The administrator's part in any case, as far as the limit allows that much at all.</param>
internal sealed class FairShares(long reserve)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<uint, long> _held = [];
    private long _total;

    /// <summary>Gets the part of all users together.</summary>
    public long Total
    {
        get
        {
            lock (_gate)
            {
                return _total;
            }
        }
    }

    /// <summary>True when a user may take so much more of what other users also want.</summary>
    /// <param name="held">The amount that the user holds.</param>
    /// <param name="free">The amount that nobody holds.</param>
    /// <param name="amount">The amount that the user wants.</param>
    public static bool IsWithinShare(long held, long free, long amount = 1) => held + amount <= free;

    /// <summary>Takes an amount for a user.</summary>
    /// <param name="limit">The bound of the whole, as it is now.</param>
    /// <returns>False when the user's share, or the whole, is used up.</returns>
    public bool TryTake(uint uid, Standing standing, long limit, long amount = 1)
    {
        lock (_gate)
        {
            long held = _held.GetValueOrDefault(uid);
            long free = limit - _total;
            bool granted = standing switch
            {
                Standing.User => IsWithinShare(held, free, amount),
                Standing.Owner => amount <= free,
                _ => amount <= free || held + amount <= Math.Min(reserve, limit),
            };
            if (granted)
            {
                _held[uid] = held + amount;
                _total += amount;
            }

            return granted;
        }
    }

    /// <summary>Takes an amount for a user without a check: the user has it already.</summary>
    public void Take(uint uid, long amount = 1)
    {
        lock (_gate)
        {
            _held[uid] = _held.GetValueOrDefault(uid) + amount;
            _total += amount;
        }
    }

    /// <summary>Gives back what <see cref="TryTake"/> or <see cref="Take"/> took.</summary>
    public void Return(uint uid, long amount = 1)
    {
        lock (_gate)
        {
            _total -= amount;
            long left = _held[uid] - amount;
            if (left > 0)
            {
                _held[uid] = left;
            }
            else
            {
                _held.Remove(uid);
            }
        }
    }
}
