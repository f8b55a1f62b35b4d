using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace TpmFs.Clients;

/// <summary>
/// The bytes of a command under way, or of an answer, in memory that outlives the daemon. They are in the heap nowhere.
/// Their conversation's lock guards them.
/// </summary>
internal sealed class KeptBytes
{
    private const int HeadLength = 32;

    private readonly RecordArea _area;

    public KeptBytes(RecordArea area, ulong number)
    {
        _area = area;
        Number = number;
    }

    /// <summary>Gets the number by which a conversation's record names them.</summary>
    public ulong Number { get; }

    /// <summary>Gets how many bytes have room.</summary>
    public int Room => _area.Span.Length - HeadLength;

    /// <summary>Gets the bytes.</summary>
    public Memory<byte> Bytes => _area.Memory.Slice(HeadLength, Math.Min(Head.Length, Room));

    private ref Marks Head => ref _area.As<Marks>();

    /// <summary>Returns the length of a record with room for so many bytes.</summary>
    public static int LengthFor(int room) => HeadLength + room;

    /// <summary>Takes bytes of a conversation; there is room for them.</summary>
    /// <param name="conversation">The conversation's number.</param>
    /// <param name="turn">The number of the command.</param>
    /// <param name="bytes">The bytes.</param>
    public void Fill(ulong conversation, ulong turn, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_area.Span[HeadLength..]);
        Head = new Marks { Conversation = conversation, Turn = turn, Length = bytes.Length };
    }

    /// <summary>Returns true when they are of this command of this conversation.</summary>
    public bool AreOf(ulong conversation, ulong turn) => Head.Conversation == conversation && Head.Turn == turn;

    /// <summary>Wipes all bytes.</summary>
    public void Wipe()
    {
        CryptographicOperations.ZeroMemory(Bytes.Span);
        Head = default;
    }

    /// <summary>Wipes all bytes, and gives the memory back.</summary>
    public void Remove() => _area.Remove();

    [StructLayout(LayoutKind.Sequential, Size = HeadLength)]
    private struct Marks
    {
        public ulong Conversation;
        public ulong Turn;
        public int Length;
    }
}
