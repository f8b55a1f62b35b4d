namespace TpmFs.Rm.Scheduling;

/// <summary>One that takes part in a <see cref="FairQueue{T}"/>: its place in virtual time.</summary>
internal abstract class FairShare
{
    /// <summary>Virtual time at which its present turn starts, or started.</summary>
    public double Start { get; set; }

    /// <summary>Virtual time at which its last turn ended: its next one does not start before.</summary>
    public double Finish { get; set; }
}

/// <summary>
/// Start-time fair queueing (Goyal, Vin, Cheng 1996): who has used the least for their weight goes first, and who was
/// away gets no credit for it, but goes before all that have been served since. One is served at a time.
/// </summary>
internal sealed class FairQueue<T>
    where T : FairShare
{
    private readonly PriorityQueue<T, (double Start, double Finish, long Arrival)> _waiting = new();
    private double _virtualTime;
    private long _arrivals;

    public int Count => _waiting.Count;

    /// <summary>Who is next; null when nobody waits.</summary>
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

    public void Remove(T gone) => _waiting.Remove(gone, out _, out _);

    /// <summary>What was dequeued has been served.</summary>
    /// <param name="cost">What it used, in any unit.</param>
    /// <param name="weight">Its weight; twice the weight makes half the cost.</param>
    public static void Charge(T served, double cost, double weight) => served.Finish = served.Start + (cost / weight);
}
