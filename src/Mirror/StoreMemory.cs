using System.Runtime.InteropServices;

namespace TpmFs.Mirror;

/// <summary>
/// Lays a store's memory out: a head, a table with one byte for each chunk, and the chunks. A chunk has slots of one
/// size; a record that is larger than a chunk has several chunks for itself. Numbers are the machine's own, since the
/// memory does not leave it.
/// </summary>
/// <remarks>
/// A process may be killed between any two store instructions, and the next process sees exactly the stores that came
/// before, in the program's order. A volatile write keeps the compiler from changing that order.
/// </remarks>
internal sealed class StoreMemory(Memory<byte> memory)
{
    public const int ChunkSize = 64 * 1024;

    /// <summary>The smallest slot, header included. Each further size is twice the one before.</summary>
    public const int SmallestSlot = 128;

    /// <summary>Slots of 128 bytes to 64 KiB.</summary>
    public const int SlotSizes = 10;

    /// <summary>
    /// The table's byte of a chunk that nothing is in. Others than these three: a slot size, from 1 on.
    /// </summary>
    public const byte FreeChunk = 0;

    /// <summary>The table's byte of the first chunk of a record that has several.</summary>
    public const byte LargeChunk = 0x40;

    /// <summary>The table's byte of the other chunks of a record that has several.</summary>
    public const byte LargeRest = 0x41;

    private const ulong Magic = 0x524F525249464D54;
    private const uint LayoutVersion = 1;
    private const int LayoutOffset = 8;
    private const int FormatOffset = 12;
    private const int CommittedOffset = 64;
    private const int TableOffset = 128;

    public int Chunks { get; } = ChunksOf(memory.Length);

    /// <summary>The format of what the records contain.</summary>
    public uint Format => MemoryMarshal.Read<uint>(memory.Span[FormatOffset..]);

    /// <summary>The number of the last commit. A slot that was written for a later commit does not hold.</summary>
    public ulong Committed
    {
        get => Volatile.Read(ref At<ulong>(CommittedOffset));
        set => Volatile.Write(ref At<ulong>(CommittedOffset), value);
    }

    /// <summary>The table: what each chunk is used for.</summary>
    public Span<byte> Table => memory.Span.Slice(TableOffset, Chunks);

    /// <summary>Begins a memory that is all zero.</summary>
    public void Begin(uint format)
    {
        At<uint>(LayoutOffset) = LayoutVersion;
        At<uint>(FormatOffset) = format;
        Volatile.Write(ref At<ulong>(0), Magic);
    }

    /// <summary>Returns true when the memory was begun by a store of this layout.</summary>
    public bool IsStore() => memory.Length >= TableOffset + ChunkSize && At<ulong>(0) == Magic
        && At<uint>(LayoutOffset) == LayoutVersion;

    /// <summary>Returns the slot that begins at this offset, as long as its chunk makes it.</summary>
    public Slot SlotAt(int offset) => new(memory.Span.Slice(offset, SizeAt(offset)));

    /// <summary>Returns what a record's owner may write to in place.</summary>
    public Memory<byte> PayloadAt(int offset, int length) => memory.Slice(offset + Slot.HeaderLength, length);

    /// <summary>Returns how long the slot at this offset is, in bytes.</summary>
    public int SizeAt(int offset)
    {
        int chunk = ChunkOf(offset);
        return Table[chunk] == LargeChunk ? LargeChunks(chunk) * ChunkSize : SlotSize(Table[chunk]);
    }

    /// <summary>Returns where a chunk begins, in bytes.</summary>
    public int ChunkStart(int chunk) => TableEnd(Chunks) + (chunk * ChunkSize);

    /// <summary>Returns the chunk that has this offset.</summary>
    public int ChunkOf(int offset) => (offset - TableEnd(Chunks)) / ChunkSize;

    /// <summary>Returns how many chunks the large record that begins in this one has.</summary>
    public int LargeChunks(int first)
    {
        ReadOnlySpan<byte> rest = Table[(first + 1)..];
        int others = rest.IndexOfAnyExcept(LargeRest);
        return 1 + (others < 0 ? rest.Length : others);
    }

    /// <summary>Returns the length of slots of a size's number, which begin with 1.</summary>
    public static int SlotSize(byte number) => SmallestSlot << (number - 1);

    private static int ChunksOf(int length)
    {
        int chunks = length / ChunkSize;
        while (chunks > 0 && TableEnd(chunks) + ((long)chunks * ChunkSize) > length)
        {
            chunks--;
        }

        return chunks;
    }

    /// <summary>Returns where the first chunk begins: at a chunk's size, so that chunks begin with a page.</summary>
    private static int TableEnd(int chunks) => (TableOffset + chunks + ChunkSize - 1) / ChunkSize * ChunkSize;

    private ref T At<T>(int offset)
        where T : struct => ref MemoryMarshal.AsRef<T>(memory.Span[offset..]);
}
