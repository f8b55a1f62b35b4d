using System.Runtime.InteropServices;

namespace TpmFs.Mirror;

/// <summary>
/// A record whose owner writes it in place. Without a store, or where the store is full, it is ordinary memory, which
/// no other process finds: so its owner writes it in the same way in any case. Its owner sees to it that one thread at
/// a time writes.
/// </summary>
public sealed class RecordArea
{
    private readonly RecordStore? _store;
    private readonly Memory<byte> _bytes;
    private RecordPlace _place;

    private RecordArea(RecordStore? store, RecordPlace place, Memory<byte> bytes)
    {
        (_store, _place, _bytes) = (store, place, bytes);
    }

    /// <summary>The record's bytes.</summary>
    public Span<byte> Span => _bytes.Span;

    /// <summary>Gets the same bytes, for callers that keep them.</summary>
    public Memory<byte> Memory => _bytes;

    /// <summary>Makes a record of zeros.</summary>
    public static RecordArea Reserve(RecordStore? store, byte kind, ulong id, int length)
    {
        RecordPlace place = default;
        Memory<byte> bytes = store?.Reserve(ref place, kind, id, length) ?? default;
        return bytes.IsEmpty
            ? new RecordArea(null, default, GC.AllocateArray<byte>(length, pinned: true))
            : new RecordArea(store, place, bytes);
    }

    /// <summary>Goes on with a record of an earlier process.</summary>
    public static RecordArea Adopt(RecordStore store, StoredRecord record) =>
        new(store, record.Place, store.Area(record.Place));

    /// <summary>Returns the value at the record's start.</summary>
    /// <typeparam name="T">At most as long as the record.</typeparam>
    public ref T As<T>()
        where T : unmanaged => ref MemoryMarshal.AsRef<T>(_bytes.Span);

    /// <summary>Says that something was written that another process would go on with.</summary>
    public void Wrote() => _store?.Wrote();

    /// <summary>Removes the record. Nobody may write to it any more. Idempotent.</summary>
    public void Remove() => _store?.RemoveNow(ref _place);
}
