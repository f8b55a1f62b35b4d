using System.Diagnostics;

namespace TpmFs.Records;

/// <summary>Counts upwards; the next daemon goes on with the next number. Any thread.</summary>
internal sealed class RecordedCounter
{
    private readonly RecordArea _area;

    /// <param name="store">Null where no daemon is to go on.</param>
    /// <param name="name">Tells the counter from other counters.</param>
    public RecordedCounter(RecordStore? store, CounterName name)
    {
        StoredRecord? earlier = store.Of(RecordKind.Counter).Cast<StoredRecord?>()
            .FirstOrDefault(record => record!.Value.Id == (ulong)name);
        _area = earlier is { } record
            ? RecordArea.Adopt(store!, record)
            : RecordArea.Reserve(store, (byte)RecordKind.Counter, (ulong)name, sizeof(ulong));
        if (store is not null && name != CounterName.Conversations && _area.As<ulong>() == 0)
        {
            _area.As<ulong>() = LeastUnused();
        }
    }

    /// <summary>Returns the next number.</summary>
    public ulong Next()
    {
        ulong next = Interlocked.Increment(ref _area.As<ulong>());
        _area.Wrote();
        return next;
    }

    /// <summary>
    /// Returns a number above those of any daemon of this boot: the kernel may still hold numbers of a daemon whose
    /// records cannot be read, and must not find another node or another client's file by them. It is the microseconds
    /// since the machine was booted, as no daemon uses more than one number in a microsecond.
    /// </summary>
    private static ulong LeastUnused() =>
        (ulong)(Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000));

    /// <summary>Goes on above a number.</summary>
    public void StartAbove(ulong number) => _area.As<ulong>() = Math.Max(number, _area.As<ulong>());
}

/// <summary>Names the counters.</summary>
internal enum CounterName
{
    Nodes,
    Opens,
    Conversations,
}
