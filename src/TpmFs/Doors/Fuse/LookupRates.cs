namespace TpmFs.Doors.Fuse;

/// <summary>
/// Tells which users look files up all the time, more often than a program that opens and closes one needs to. Not
/// synchronised: its owner holds its lock.
/// </summary>
internal sealed class LookupRates(TimeProvider time)
{
    /// <summary>Lookups in a second that are many.</summary>
    public const int Many = 500;

    /// <summary>As many users are remembered before those who have gone are forgotten.</summary>
    private const int MostUsers = 1024;

    private readonly Dictionary<uint, Rate> _rates = [];

    /// <summary>Counts one lookup.</summary>
    /// <returns>
    /// True when the user has made many in this second, or made many in the last: whether a user counts as one who does
    /// changes no more than once a second.
    /// </returns>
    public bool IsMany(uint uid)
    {
        long second = time.GetTimestamp() / time.TimestampFrequency;
        if (!_rates.TryGetValue(uid, out Rate rate) || rate.Second != second)
        {
            ForgetWhoHasGone(second);
            rate = new Rate(second, Count: 0, IsMany: rate.Count > Many && rate.Second == second - 1);
        }

        rate = rate with { Count = rate.Count + 1, IsMany = rate.IsMany || rate.Count >= Many };
        _rates[uid] = rate;
        return rate.IsMany;
    }

    private void ForgetWhoHasGone(long second)
    {
        if (_rates.Count >= MostUsers)
        {
            foreach ((uint uid, _) in _rates.Where(entry => entry.Value.Second < second - 1).ToArray())
            {
                _rates.Remove(uid);
            }
        }
    }

    /// <param name="Second">The second in which the lookups were, by the clock that only moves on.</param>
    /// <param name="Count">How many there were.</param>
    /// <param name="IsMany">True when they are many.</param>
    private readonly record struct Rate(long Second, int Count, bool IsMany);
}
