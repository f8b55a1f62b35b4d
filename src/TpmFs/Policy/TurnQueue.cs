using System.Diagnostics.CodeAnalysis;

namespace TpmFs.Policy;

/// <summary>
/// Items that wait, each for a user. Users take turns, so that the first item of a user waits for one item of each
/// other user, however many these have. One thread at a time.
/// </summary>
internal sealed class TurnQueue<TUser, T>
    where TUser : notnull
{
    private readonly Dictionary<TUser, Queue<T>> _waiting = [];
    private readonly Queue<TUser> _turns = new(); // each user in _waiting once

    /// <summary>True when an item waits.</summary>
    public bool Any => _turns.Count > 0;

    /// <summary>Returns how many items of a user wait.</summary>
    public int CountOf(TUser user) => _waiting.TryGetValue(user, out Queue<T>? own) ? own.Count : 0;

    public void Add(TUser user, T item)
    {
        if (!_waiting.TryGetValue(user, out Queue<T>? own))
        {
            _waiting.Add(user, own = new Queue<T>());
            _turns.Enqueue(user);
        }

        own.Enqueue(item);
    }

    /// <summary>Takes the oldest item of the user whose turn it is.</summary>
    /// <returns>False when nothing waits.</returns>
    public bool TryTake([MaybeNullWhen(false)] out T item)
    {
        item = default;
        if (!_turns.TryDequeue(out TUser? user))
        {
            return false;
        }

        Queue<T> own = _waiting[user];
        item = own.Dequeue();
        if (own.Count > 0)
        {
            _turns.Enqueue(user);
        }
        else
        {
            _waiting.Remove(user);
        }

        return true;
    }
}
