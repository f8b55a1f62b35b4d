using System.Diagnostics;

namespace TpmFs.Tree.Controls;

/// <summary>
/// Bounds the time that the daemon spends on making what users read in control files, since the threads that make it
/// also take everybody's commands. In each second a user gets no more of it than is left for the others. Any thread.
/// </summary>
internal sealed class MakingTime
{
    /// <summary>What all users together get in a second.</summary>
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
            long second = Stopwatch.GetTimestamp() / Stopwatch.Frequency;
            if (second != _second)
            {
                _second = second;
                _left = s_ofUsers;
                _used.Clear();
            }

            return _used.GetValueOrDefault(uid) < _left;
        }
    }

    /// <summary>Puts time down to a user.</summary>
    public void Use(uint uid, TimeSpan time)
    {
        lock (_gate)
        {
            _used[uid] = _used.GetValueOrDefault(uid) + time;
            _left -= time;
        }
    }
}
