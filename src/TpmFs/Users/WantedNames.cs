using System.Diagnostics.CodeAnalysis;
using TpmFs.Policy;

namespace TpmFs.Users;

/// <summary>
/// Names that users looked up below users/ and that the system is to be asked for. Any user can look up any name, so
/// this bounds what that costs the directory server and other users: each user has a few names waiting, users take
/// turns, one name is asked for each <see cref="Interval"/>, and a name that no user has is not asked for again until
/// <see cref="ForgetUnknown"/>. Any thread.
/// </summary>
internal sealed class WantedNames(TimeProvider time)
{
    public const int MaxOfUser = 4;

    /// <summary>The most names of all users but root, who always has room for <see cref="MaxOfUser"/>.</summary>
    public const int MaxOfOthers = 64;

    public const int MaxUnknown = 1024;

    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new(); // Guards all that follows.
    private readonly TurnQueue<uint, string> _waiting = new();
    private readonly HashSet<string> _names = new(StringComparer.Ordinal); // Those in _waiting.
    private readonly HashSet<string> _unknown = new(StringComparer.Ordinal);
    private readonly Queue<string> _unknownByAge = new();
    private long? _lastTaken;

    /// <summary>Adds a name, unless it is known that no user has it, or too many wait already.</summary>
    /// <param name="asker">The uid of whoever looked it up.</param>
    /// <param name="name">The name.</param>
    /// <returns>True when it was added.</returns>
    public bool Add(uint asker, string name)
    {
        lock (_gate)
        {
            bool hasRoom = _waiting.CountOf(asker) < MaxOfUser && (asker == 0 || _names.Count < MaxOfOthers);
            if (!hasRoom || _unknown.Contains(name) || !_names.Add(name))
            {
                return false;
            }

            _waiting.Add(asker, name);
            return true;
        }
    }

    /// <summary>Takes the next name to ask for.</summary>
    /// <param name="name">The name.</param>
    /// <param name="wait">The time until the next name may be taken; infinite when none waits.</param>
    public bool TryTake([NotNullWhen(true)] out string? name, out TimeSpan wait)
    {
        lock (_gate)
        {
            name = null;
            wait = !_waiting.Any ? Timeout.InfiniteTimeSpan
                : _lastTaken is { } last ? Interval - time.GetElapsedTime(last)
                : TimeSpan.Zero;
            if (wait > TimeSpan.Zero || !_waiting.TryTake(out name))
            {
                return false;
            }

            _names.Remove(name);
            _lastTaken = time.GetTimestamp();
            return true;
        }
    }

    /// <summary>Remembers that no user has a name. Past <see cref="MaxUnknown"/> the oldest is forgotten.</summary>
    public void AddUnknown(string name)
    {
        lock (_gate)
        {
            if (_unknown.Add(name))
            {
                _unknownByAge.Enqueue(name);
            }

            if (_unknown.Count > MaxUnknown)
            {
                _unknown.Remove(_unknownByAge.Dequeue());
            }
        }
    }

    /// <summary>Forgets which names no user has: users come and go.</summary>
    public void ForgetUnknown()
    {
        lock (_gate)
        {
            _unknown.Clear();
            _unknownByAge.Clear();
        }
    }
}
