namespace TpmFs.Tree.Controls;

/// <summary>
/// Bounds the time that the daemon spends on making the content that users read in control files, since the threads
/// that make it also take all clients' commands. In each second, content is made for a user while the user has used
/// less of the time than is left. So one user alone gets half. Any thread.
/// </summary>
/// <param name="time">The clock.</param>
internal sealed class MakingTime(TimeProvider time)
{
    /// <summary>The time that all users together get in a second.</summary>
    private static readonly TimeSpan s_ofUsers = TimeSpan.FromMilliseconds(200);

    private readonly Lock _gate = new();
    private readonly Dictionary<uint, TimeSpan> _used = []; // in this second
    private TimeSpan _left = s_ofUsers;
    private long _second;

    /// <summary>Returns true when a user has some of it left.</summary>
    public bool IsLeft(uint uid)
    {
        lock (_gate)
        {
            BeginSecond();
            return _used.GetValueOrDefault(uid) < _left;
        }
    }

    /// <summary>Counts time for a user.</summary>
    public void Use(uint uid, TimeSpan used)
    {
        lock (_gate)
        {
            BeginSecond();
            _used[uid] = _used.GetValueOrDefault(uid) + used;
            _left -= used;
        }
    }

    /// <summary>Gives all of the time again when another second has begun. Under the lock.</summary>
    private void BeginSecond()
    {
        long second = time.GetTimestamp() / time.TimestampFrequency;
        if (second != _second)
        {
            _second = second;
            _left = s_ofUsers;
            _used.Clear();
        }
    }
}
