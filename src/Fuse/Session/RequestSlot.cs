using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TpmFs.Fuse.Wire;
using TpmFs.Mirror;

namespace TpmFs.Fuse.Session;

/// <summary>
/// Holds one request from the moment when it is read until nothing of it is left to do, in memory that outlives the
/// process: so the next one knows which requests the kernel still waits for. One thread at a time.
/// </summary>
/// <remarks>
/// There is a request while the first word of its header is not 0. That word is cleared last of all that belongs to a
/// request, but before the request's bytes are wiped. A request that is marked as answered is not served again; its
/// answer is only sent again, which the kernel takes once.
/// </remarks>
internal sealed class RequestSlot
{
    private const int HeadLength = 64;
    private static readonly int s_headerLength = Unsafe.SizeOf<FuseInHeader>();

    private readonly RecordArea _area;
    private readonly int _room;

    /// <param name="area">A record of <see cref="LengthFor"/> bytes.</param>
    /// <param name="room">For one request, in bytes.</param>
    public RequestSlot(RecordArea area, int room)
    {
        _area = area;
        _room = room;
        int used = HeadLength + room;
        Reply = area.Span.Length >= used + ReplyBuffer.Capacity
            ? new ReplyBuffer(area.Memory.Slice(used, ReplyBuffer.Capacity)) : ReplyBuffer.None;
    }

    /// <summary>Gets where the answer's bytes are made; without room for a waiting read.</summary>
    public ReplyBuffer Reply { get; }

    /// <summary>True when there is room for one READ only, and none for its answer.</summary>
    public bool IsForRead => Reply == ReplyBuffer.None;

    /// <summary>Gets where a request is read to.</summary>
    public Span<byte> Buffer => _area.Span.Slice(HeadLength, _room);

    /// <summary>Gets the length of the request that is here; 0 for none.</summary>
    public int Length => (int)Math.Min((uint)_room, MemoryMarshal.Read<uint>(Buffer));

    /// <summary>Gets the request that is here.</summary>
    public ReadOnlySpan<byte> Request => Buffer[..Length];

    /// <summary>Gets what the filesystem noted of a READ.</summary>
    public FuseReadNote Note
    {
        get => Head.IsNoted == 0
            ? default : new FuseReadNote(Head.Turn, Head.Source, Head.Start, Head.Count);
        set
        {
            // The count tells a note of bytes from one of a turn, and is therefore the last that is written.
            ref Marks head = ref Head;
            head.Turn = value.Turn;
            head.Source = value.Source;
            head.Start = value.Start;
            Volatile.Write(ref head.Count, value.Count);
            Volatile.Write(ref head.IsNoted, 1);
            _area.Wrote();
        }
    }

    private ref Marks Head => ref _area.As<Marks>();

    private ref ulong FirstWord => ref MemoryMarshal.AsRef<ulong>(Buffer);

    /// <summary>Returns the length of a record with room for one request and its answer.</summary>
    public static int LengthFor(int room) => HeadLength + room + ReplyBuffer.Capacity;

    /// <summary>Returns the length of a record with room for one READ.</summary>
    public static int LengthForRead() => HeadLength + RoomForRead();

    /// <summary>Returns how many bytes a READ has.</summary>
    public static int RoomForRead() => s_headerLength + Unsafe.SizeOf<FuseReadIn>();

    /// <summary>
    /// Makes the memory's pages this process's own, so that the kernel need not wait for any of them while it copies a
    /// request: a kill would end that wait, and the kernel would fail the request.
    /// </summary>
    public void Touch()
    {
        Span<byte> bytes = _area.Span;
        for (int at = 0; at < bytes.Length; at += Environment.SystemPageSize)
        {
            Volatile.Write(ref bytes[at], Volatile.Read(ref bytes[at]));
        }
    }

    /// <summary>Notes that the request is carried out and all that it changed is written.</summary>
    /// <param name="error">With what it is answered; else with the bytes in <see cref="Reply"/>.</param>
    public void MarkAnswered(Errno error)
    {
        Volatile.Write(ref Head.Answer, ((long)(error.Value + 1) << 32) | (uint)Reply.Length);
        _area.Wrote();
    }

    /// <summary>Finds the answer that the request was given.</summary>
    /// <returns>False when it was not answered.</returns>
    public bool TryGetAnswer(out Errno error)
    {
        long answer = Volatile.Read(ref Head.Answer);
        error = new Errno((int)(answer >> 32) - 1);
        Reply.Restore((int)Math.Min((uint)answer, ReplyBuffer.Capacity));
        return answer != 0;
    }

    /// <summary>Notes that nothing is left to do for the request.</summary>
    public void MarkDone()
    {
        Volatile.Write(ref FirstWord, 0);
        _area.Wrote();
    }

    /// <summary>Marks the request as done, and wipes it: what was written may be a secret.</summary>
    /// <param name="length">In bytes.</param>
    public void Clear(int length)
    {
        if (FirstWord != 0)
        {
            MarkDone();
        }

        Head = default;
        Buffer[..length].Clear();
    }

    /// <summary>Wipes all, whatever another process has left here.</summary>
    public void Clear() => Clear(_room);

    /// <summary>Becomes a copy of a READ, with what was noted of it.</summary>
    public void CopyRead(RequestSlot from)
    {
        FuseReadNote note = from.Note;
        if (note != default)
        {
            Note = note;
        }

        // The kernel may add extensions at a request's end, which are not for a READ.
        FuseInHeader header = MemoryMarshal.Read<FuseInHeader>(from.Buffer) with
        {
            Len = (uint)RoomForRead(),
            TotalExtLen = 0,
        };
        Span<byte> to = Buffer;
        from.Buffer[s_headerLength..RoomForRead()].CopyTo(to[s_headerLength..]);
        MemoryMarshal.AsBytes([header])[sizeof(ulong)..].CopyTo(to[sizeof(ulong)..]);
        Volatile.Write(ref FirstWord, MemoryMarshal.Read<ulong>(MemoryMarshal.AsBytes([header])));
        _area.Wrote();
    }

    /// <summary>Removes the record.</summary>
    public void Remove()
    {
        Clear();
        _area.Remove();
    }

    /// <summary>What the dispatcher knows of the request.</summary>
    [StructLayout(LayoutKind.Sequential, Size = HeadLength)]
    private struct Marks
    {
        /// <summary>0 without an answer; else the errno and 1 above, the length of the reply's body below.</summary>
        public long Answer;
        public ulong Turn;
        public ulong Source;
        public int Start;
        public int Count;
        public int IsNoted;
    }
}
