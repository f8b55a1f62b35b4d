namespace TpmFs.Rm.Scheduling;

/// <summary>Holds the place in virtual time of one member of a <see cref="FairQueue{T}"/>.</summary>
internal abstract class FairShare
{
    /// <summary>The virtual time at which the member's present turn starts, or started.</summary>
    public double Start { get; set; }

    /// <summary>The virtual time at which the member's last turn ended. Its next turn does not start before.</summary>
    public double Finish { get; set; }
}

/// <summary>
/// Queues members by start-time fair queueing (Goyal, Vin, Cheng 1996). The member that has used the least for its
/// weight goes first. A member that was away gets no credit for that, but goes before all members that have been served
/// since. One member is served at a time.
/// </summary>
internal sealed class FairQueue<T>
    where T : FairShare
{
    private readonly PriorityQueue<T, (double Start, double Finish, long Arrival)> _waiting = new();
    private double _virtualTime;
    private long _arrivals;

    public int Count => _waiting.Count;

    /// <summary>The member that is next; null when none waits.</summary>
    public T? First => _waiting.TryPeek(out T? first, out _) ? first : null;

    public IEnumerable<T> Items => _waiting.UnorderedItems.Select(item => item.Element);

    public void Enqueue(T arrived)
    {
        arrived.Start = Math.Max(_virtualTime, arrived.Finish);
        _waiting.Enqueue(arrived, (arrived.Start, arrived.Finish, _arrivals++));
    }

    public bool TryDequeue(out T next)
    {
        bool found = _waiting.TryDequeue(out T? first, out _);
        next = first!;
        if (found)
        {
            _virtualTime = Math.Max(_virtualTime, next.Start);
        }

        return found;
    }

    /// <summary>True when the member would begin a turn no later if it had had none yet.</summary>
    public bool IsLate(T away) => away.Finish <= _virtualTime;

    public void Remove(T gone) => _waiting.Remove(gone, out _, out _);

    /// <summary>Charges a member that was dequeued with what its turn cost.</summary>
    /// <param name="cost">The turn's cost, in any unit.</param>
    /// <param name="weight">The member's weight; twice the weight makes half the cost.</param>
    public static void Charge(T served, double cost, double weight) => served.Finish = served.Start + (cost / weight);
}
