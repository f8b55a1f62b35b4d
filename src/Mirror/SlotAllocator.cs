using System.Numerics;

namespace TpmFs.Mirror;

/// <summary>
/// Knows which slots and chunks of a store are free. Knows it in the heap alone: <see cref="Scan"/> learns it from the
/// memory. Guarded by the store's lock.
/// </summary>
/// <param name="memory">The store's memory.</param>
/// <param name="pages">The memory's pages; null where all of them are there.</param>
internal sealed class SlotAllocator(StoreMemory memory, IStorePages? pages)
{
    private readonly Stack<int>[] _free =
        [.. Enumerable.Range(0, StoreMemory.SlotSizes + 1).Select(_ => new Stack<int>())];
    private readonly int[] _used = new int[memory.Chunks];
    private readonly int[] _empty = new int[StoreMemory.SlotSizes + 1];
    private readonly SortedSet<int> _chunks = []; // Those that nothing is in, and that were used before.
    private int _next; // No chunk from here on was ever used.

    /// <summary>Takes a slot for a record of this length. Returns 0 when the memory is full.</summary>
    public int Take(int length)
    {
        int needed = length + Slot.HeaderLength;
        return needed > StoreMemory.ChunkSize ? TakeLarge(needed) : TakeSmall(NumberFor(needed));
    }

    /// <summary>Gives a slot back that was cleared.</summary>
    public void Return(int offset)
    {
        int chunk = memory.ChunkOf(offset);
        byte use = memory.Table[chunk];
        if (use == StoreMemory.LargeChunk)
        {
            ReturnLarge(chunk);
            return;
        }

        _free[use].Push(offset);
        _used[chunk]--;
        if (_used[chunk] == 0 && ++_empty[use] > 1)
        {
            ReturnChunk(chunk, use);
        }
    }

    /// <summary>
    /// Visits each slot that was ever filled, and learns which are free: those for which <paramref name="isUsed"/>
    /// returns false.
    /// </summary>
    public void Scan(Func<int, bool> isUsed)
    {
        _next = memory.Table.LastIndexOfAnyExcept(StoreMemory.FreeChunk) + 1;
        for (int chunk = 0; chunk < _next; chunk++)
        {
            byte use = memory.Table[chunk];
            if (use == StoreMemory.FreeChunk)
            {
                _chunks.Add(chunk);
            }
            else if (use == StoreMemory.LargeChunk)
            {
                if (!isUsed(memory.ChunkStart(chunk)))
                {
                    ReturnLarge(chunk);
                }
            }
            else if (use != StoreMemory.LargeRest)
            {
                ScanChunk(chunk, use, isUsed);
            }
        }
    }

    private static byte NumberFor(int needed) => needed <= StoreMemory.SmallestSlot
        ? (byte)1 : (byte)(BitOperations.Log2((uint)needed - 1) - BitOperations.Log2(StoreMemory.SmallestSlot) + 2);

    private void ScanChunk(int chunk, byte use, Func<int, bool> isUsed)
    {
        int size = StoreMemory.SlotSize(use);
        for (int offset = memory.ChunkStart(chunk), end = offset + StoreMemory.ChunkSize; offset < end; offset += size)
        {
            if (isUsed(offset))
            {
                _used[chunk]++;
            }
            else
            {
                _free[use].Push(offset);
            }
        }

        _empty[use] += _used[chunk] == 0 ? 1 : 0;
    }

    private int TakeSmall(byte number)
    {
        if (_free[number].Count == 0 && !TryAddChunk(number))
        {
            return 0;
        }

        int offset = _free[number].Pop();
        int chunk = memory.ChunkOf(offset);
        _empty[number] -= _used[chunk] == 0 ? 1 : 0;
        _used[chunk]++;
        return offset;
    }

    private bool TryAddChunk(byte number)
    {
        int chunk = _chunks.Count > 0 ? _chunks.Min : _next;
        if (chunk == memory.Chunks || !TryPopulate(chunk, 1))
        {
            return false;
        }

        Use(chunk, 1);
        memory.Table[chunk] = number;
        int size = StoreMemory.SlotSize(number);
        for (int offset = memory.ChunkStart(chunk + 1) - size; offset >= memory.ChunkStart(chunk); offset -= size)
        {
            _free[number].Push(offset);
        }

        _empty[number]++;
        return true;
    }

    private bool TryPopulate(int chunk, int count) =>
        pages is null || pages.TryPopulate(memory.ChunkStart(chunk), count * StoreMemory.ChunkSize);

    /// <summary>
    /// Takes chunks that follow each other. The table goes in an order in which it is sound after each store.
    /// </summary>
    private int TakeLarge(int needed)
    {
        int chunks = (needed + StoreMemory.ChunkSize - 1) / StoreMemory.ChunkSize;
        int first = FindRun(chunks);
        if (memory.Chunks - first < chunks || !TryPopulate(first, chunks))
        {
            return 0;
        }

        Use(first, chunks);
        memory.Table[first] = StoreMemory.LargeChunk;
        for (int chunk = first + 1; chunk < first + chunks; chunk++)
        {
            memory.Table[chunk] = StoreMemory.LargeRest;
        }

        return memory.ChunkStart(first);
    }

    /// <summary>Returns the first of so many chunks in a row that nothing is in.</summary>
    private int FindRun(int count)
    {
        (int first, int length) = (0, 0);
        foreach (int chunk in _chunks)
        {
            (first, length) = chunk == first + length ? (first, length + 1) : (chunk, 1);
            if (length == count)
            {
                return first;
            }
        }

        return _next;
    }

    /// <summary>Something is in these chunks from now on.</summary>
    private void Use(int first, int count)
    {
        for (int chunk = first; chunk < first + count; chunk++)
        {
            _chunks.Remove(chunk);
        }

        _next = Math.Max(_next, first + count);
    }

    private void ReturnLarge(int first)
    {
        int chunks = memory.LargeChunks(first);
        for (int chunk = first + chunks - 1; chunk >= first; chunk--)
        {
            memory.Table[chunk] = StoreMemory.FreeChunk;
            _chunks.Add(chunk);
        }

        pages?.Release(memory.ChunkStart(first), chunks * StoreMemory.ChunkSize);
    }

    /// <summary>Gives a chunk back whose slots are all free. One such chunk of each size is kept.</summary>
    private void ReturnChunk(int chunk, byte number)
    {
        int start = memory.ChunkStart(chunk);
        int[] others = [.. _free[number].Where(offset => memory.ChunkOf(offset) != chunk).Reverse()];
        _free[number] = new Stack<int>(others);
        _empty[number]--;
        memory.Table[chunk] = StoreMemory.FreeChunk;
        _chunks.Add(chunk);
        pages?.Release(start, StoreMemory.ChunkSize);
    }
}
