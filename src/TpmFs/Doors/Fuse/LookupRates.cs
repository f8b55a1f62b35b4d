namespace TpmFs.Doors.Fuse;

/// <summary>
/// Tells which users look files up all the time, more often than a program that opens and closes one needs to. Not
/// synchronised: its owner holds its lock.
/// </summary>
internal sealed class LookupRates(TimeProvider time)
{
    /// <summary>Lookups in a second that are many.</summary>
    public const int Many = 500;

    /// <summary>How many users are told apart in a second.</summary>
    public const int MostUsers = 1024;

    private Dictionary<uint, int> _counts = []; // in this second, by the clock that only moves on
    private Dictionary<uint, int> _lastCounts = []; // in the second before
    private long _second;

    /// <summary>Gets how many users are remembered.</summary>
    public int Users => _counts.Count + _lastCounts.Count;

    /// <summary>Counts one lookup.</summary>
    /// <returns>
    /// True when the user has made many in this second, or made many in the last: whether a user counts as one who does
    /// changes no more than once a second. True also for a user for whom there is no room left in this second, since
    /// what follows costs that user nothing but inodes of the user's own.
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
