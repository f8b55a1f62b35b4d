using System.Diagnostics.CodeAnalysis;

namespace TpmFs.Mirror;

/// <summary>
/// Keeps records in memory that outlives the process, so that the next process finds them as they were at the last
/// commit, even if this one is killed between two instructions. A record is bytes with a kind and an id. Any thread;
/// the lock is held for a few instructions.
/// </summary>
/// <remarks>
/// No record is changed where it is: its new bytes go into another slot, together with the number of the commit from
/// which on they hold, and its old slot is marked with the same number. The commit is one store: of its number. The old
/// slots are wiped after it.
/// </remarks>
public sealed class RecordStore
{
    private readonly Lock _gate = new();
    private readonly StoreMemory _memory;
    private readonly SlotAllocator _slots;
    private readonly List<int> _ended = [];
    private ulong _next;
    private bool _isChanged;

    private RecordStore(StoreMemory memory, IStorePages? pages)
    {
        _memory = memory;
        _slots = new SlotAllocator(memory, pages);
        _next = memory.Committed + 1;
    }

    /// <summary>
    /// Gets the records that an earlier process left, as they were at adoption; empty in a new store.
    /// </summary>
    public IReadOnlyList<StoredRecord> Records { get; private set; } = [];

    /// <summary>
    /// Gets or sets what is done when a record is not written because the memory is full. It is called under the
    /// store's lock.
    /// </summary>
    public Action? WhenFull { get; set; }

    /// <summary>Gets or sets what tests do after each write that the next process would see: throw, or kill.</summary>
    internal Action? AfterWrite { get; set; }

    /// <summary>Begins a store.</summary>
    /// <param name="memory">All zero; at least 192 KiB.</param>
    /// <param name="format">The format of what the records contain.</param>
    /// <param name="pages">The memory's pages; null where all of them are there.</param>
    /// <returns>Null when there is no memory for its first pages.</returns>
    public static RecordStore? TryCreate(Memory<byte> memory, uint format, IStorePages? pages)
    {
        var begun = new StoreMemory(memory);
        if (pages?.TryPopulate(0, begun.ChunkStart(0)) == false)
        {
            return null;
        }

        begun.Begin(format);
        return new RecordStore(begun, pages);
    }

    /// <summary>Begins a store in memory whose pages are all there.</summary>
    /// <inheritdoc cref="TryCreate"/>
    public static RecordStore Create(Memory<byte> memory, uint format) => TryCreate(memory, format, null)!;

    /// <summary>Goes on with the store that an earlier process left. The bytes are not trusted.</summary>
    /// <param name="format">The format that the caller reads.</param>
    /// <param name="problem">
    /// The reason why the store cannot go on: a sentence whose subject "it" is the memory.
    /// </param>
    public static bool TryAdopt(
        Memory<byte> memory, uint format, [NotNullWhen(true)] out RecordStore? store, out string problem,
        IStorePages? pages = null)
    {
        store = null;
        var adopted = new StoreMemory(memory);
        if (!adopted.IsStore())
        {
            problem = "it was not written by a version of tpmfs that this one knows";
            return false;
        }

        if (adopted.Format != format)
        {
            problem = $"its format is {adopted.Format}, and this tpmfs reads format {format}";
            return false;
        }

        var candidate = new RecordStore(adopted, pages);
        if (!candidate.TryScan(out problem))
        {
            return false;
        }

        store = candidate;
        return true;
    }

    /// <summary>Reads a record.</summary>
    public ReadOnlySpan<byte> Read(RecordPlace place) => _memory.SlotAt(place.Offset).Payload;

    /// <summary>
    /// Writes a record, which replaces the one at <paramref name="place"/>. It holds from the next commit on.
    /// </summary>
    public void Put(ref RecordPlace place, byte kind, ulong id, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            Write(ref place, kind, id, bytes);
        }
    }

    /// <summary>Removes a record, if there is one at <paramref name="place"/>, with the next commit.</summary>
    public void Remove(ref RecordPlace place)
    {
        lock (_gate)
        {
            End(ref place);
        }
    }

    /// <summary>Makes all that was put and removed since the last commit hold: all of it, or nothing.</summary>
    public void Commit()
    {
        lock (_gate)
        {
            CommitChanges();
        }
    }

    /// <summary>Puts a record and commits.</summary>
    public void PutNow(ref RecordPlace place, byte kind, ulong id, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            Write(ref place, kind, id, bytes);
            CommitChanges();
        }
    }

    /// <summary>Removes a record, if there is one, and commits.</summary>
    public void RemoveNow(ref RecordPlace place)
    {
        lock (_gate)
        {
            End(ref place);
            CommitChanges();
        }
    }

    /// <summary>
    /// Makes a record of zeros that its owner writes in place, and commits it. What is written there holds at once,
    /// byte by byte.
    /// </summary>
    /// <returns>The record's bytes; empty when the memory is full.</returns>
    public Memory<byte> Reserve(ref RecordPlace place, byte kind, ulong id, int length)
    {
        lock (_gate)
        {
            End(ref place);
            int offset = _slots.Take(length);
            if (offset == 0)
            {
                WhenFull?.Invoke();
                return default;
            }

            _memory.SlotAt(offset).FillEmpty(kind, id, length, _next);
            place = new RecordPlace(offset);
            _isChanged = true;
            AfterWrite?.Invoke();
            CommitChanges();
            return _memory.PayloadAt(offset, length);
        }
    }

    /// <summary>Returns the bytes of a record that is written in place.</summary>
    public Memory<byte> Area(RecordPlace place) =>
        _memory.PayloadAt(place.Offset, _memory.SlotAt(place.Offset).Length);

    /// <summary>Says that the owner of a record that is written in place has written to it.</summary>
    public void Wrote() => AfterWrite?.Invoke();

    private void Write(ref RecordPlace place, byte kind, ulong id, ReadOnlySpan<byte> bytes)
    {
        int offset = _slots.Take(bytes.Length);
        if (offset == 0)
        {
            WhenFull?.Invoke();
            End(ref place);
            return;
        }

        _memory.SlotAt(offset).Fill(kind, id, bytes, _next);
        AfterWrite?.Invoke();
        End(ref place);
        place = new RecordPlace(offset);
        _isChanged = true;
    }

    private void End(ref RecordPlace place)
    {
        if (place.IsNowhere)
        {
            return;
        }

        Slot slot = _memory.SlotAt(place.Offset);
        if (slot.Since == _next)
        {
            Free(place.Offset);
        }
        else
        {
            slot.Until = _next;
            _ended.Add(place.Offset);
            _isChanged = true;
        }

        place = default;
        AfterWrite?.Invoke();
    }

    private void CommitChanges()
    {
        if (!_isChanged)
        {
            return;
        }

        _memory.Committed = _next++;
        _isChanged = false;
        AfterWrite?.Invoke();
        foreach (int ended in _ended)
        {
            Free(ended);
            AfterWrite?.Invoke();
        }

        _ended.Clear();
    }

    private void Free(int offset)
    {
        _memory.SlotAt(offset).Clear();
        _slots.Return(offset);
    }

    /// <summary>Finds the records that hold, and wipes what was not committed and what had ended.</summary>
    private bool TryScan(out string problem)
    {
        problem = "";
        if (!IsTableSound())
        {
            problem = "its table of chunks is damaged";
            return false;
        }

        List<StoredRecord> found = [];
        bool isSound = true;
        _slots.Scan(offset =>
        {
            Slot slot = _memory.SlotAt(offset);
            isSound &= slot.IsSound;
            if (!slot.IsSound)
            {
                return true;
            }

            bool holds = slot.Since != 0 && slot.Since < _next && (slot.Until == 0 || slot.Until >= _next);
            if (!holds)
            {
                slot.ClearRemains();
                return false;
            }

            slot.Until = 0;
            found.Add(new StoredRecord(slot.Kind, slot.Id, new RecordPlace(offset)));
            return true;
        });
        Records = found;
        problem = isSound ? "" : "the length of one of its records is damaged";
        return isSound;
    }

    private bool IsTableSound()
    {
        byte before = StoreMemory.FreeChunk;
        foreach (byte use in _memory.Table)
        {
            bool isSound = use <= StoreMemory.SlotSizes || use == StoreMemory.LargeChunk
                || (use == StoreMemory.LargeRest && before is StoreMemory.LargeChunk or StoreMemory.LargeRest);
            if (!isSound)
            {
                return false;
            }

            before = use;
        }

        return true;
    }
}
