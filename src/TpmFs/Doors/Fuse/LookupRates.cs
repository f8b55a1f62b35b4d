namespace TpmFs.Doors.Fuse;

/// <summary>
/// Tells which users look files up all the time, more often than a program that opens and closes one needs to. Not
/// synchronised: its owner holds its lock.
/// </summary>
internal sealed class LookupRates(TimeProvider time)
{
    /// <summary>The number of lookups in a second that counts as many.</summary>
    public const int Many = 500;

    /// <summary>The most users that are told apart in a second.</summary>
    public const int MostUsers = 1024;

    private Dictionary<uint, int> _counts = []; // in this second, by the clock that only moves on
    private Dictionary<uint, int> _lastCounts = []; // in the second before
    private long _second;

    /// <summary>Gets the number of users that are remembered.</summary>
    public int Users => _counts.Count + _lastCounts.Count;

    /// <summary>Counts one lookup.</summary>
    /// <returns>
    /// True when the user has made many lookups in this second, or made many in the last: so a user changes sides at
    /// most once a second. True also for a user for whom there is no room left in this second: that only costs inodes
    /// of the user's own.
    /// </returns>
    public bool IsMany(uint uid)
    {
        long second = time.GetTimestamp() / time.TimestampFrequency;
        if (second != _second)
        {
            Turn(second);
        }

        int count = _counts.GetValueOrDefault(uid);
        if (count == 0 && _counts.Count == MostUsers)
        {
            return true;
        }

        _counts[uid] = count + 1;
        return count >= Many || _lastCounts.GetValueOrDefault(uid) > Many;
    }

    private void Turn(long second)
    {
        (_counts, _lastCounts) = (_lastCounts, _counts);
        _counts.Clear();
        if (second != _second + 1)
        {
            _lastCounts.Clear();
        }

        _second = second;
    }
}
