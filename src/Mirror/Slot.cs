using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace TpmFs.Mirror;

/// <summary>
/// One slot of a store: a header, and the record's bytes. A slot holds a record from one commit on, until another one
/// that replaces or removes the record.
/// </summary>
internal readonly ref struct Slot(Span<byte> bytes)
{
    public const int HeaderLength = 32;

    private const int UntilOffset = 8;
    private const int IdOffset = 16;
    private const int LengthOffset = 24;
    private const int KindOffset = 28;

    private readonly Span<byte> _bytes = bytes;

    /// <summary>
    /// Gets or sets the number of the commit from which on the record holds; 0 in a slot that is free.
    /// </summary>
    public ulong Since
    {
        get => Volatile.Read(ref At<ulong>(0));
        set => Volatile.Write(ref At<ulong>(0), value);
    }

    /// <summary>Gets or sets the number of the commit that ends the record; 0 while there is none.</summary>
    public ulong Until
    {
        get => Volatile.Read(ref At<ulong>(UntilOffset));
        set => Volatile.Write(ref At<ulong>(UntilOffset), value);
    }

    public ulong Id => At<ulong>(IdOffset);

    public byte Kind => _bytes[KindOffset];

    /// <summary>The length of the record's bytes.</summary>
    public int Length => At<int>(LengthOffset);

    /// <summary>True when the length is one that this slot may have.</summary>
    public bool IsSound => Length >= 0 && Length <= _bytes.Length - HeaderLength;

    /// <summary>The record's bytes.</summary>
    public Span<byte> Payload => _bytes.Slice(HeaderLength, Length);

    /// <summary>Writes a record that holds from a commit on. A kill on the way leaves the slot free.</summary>
    public void Fill(byte kind, ulong id, ReadOnlySpan<byte> payload, ulong since)
    {
        Volatile.Write(ref At<int>(LengthOffset), payload.Length);
        payload.CopyTo(_bytes[HeaderLength..]);
        At<ulong>(IdOffset) = id;
        _bytes[KindOffset] = kind;
        Since = since;
    }

    /// <summary>Writes a record of zeros, which its owner writes in place.</summary>
    public void FillEmpty(byte kind, ulong id, int length, ulong since)
    {
        At<int>(LengthOffset) = length;
        At<ulong>(IdOffset) = id;
        _bytes[KindOffset] = kind;
        Since = since;
    }

    /// <summary>
    /// Wipes the record, which may be a secret, and frees the slot. The length goes last, so that after a kill on the
    /// way the next process wipes what is left.
    /// </summary>
    public void Clear()
    {
        CryptographicOperations.ZeroMemory(Payload);
        Since = 0;
        Until = 0;
        Volatile.Write(ref At<int>(LengthOffset), 0);
    }

    /// <summary>
    /// Clears a slot that a kill left half written or half cleared. Does not touch one that is clear.
    /// </summary>
    public void ClearRemains()
    {
        if ((Since | Until) != 0 || Length != 0)
        {
            Clear();
        }
    }

    private ref T At<T>(int offset)
        where T : struct => ref MemoryMarshal.AsRef<T>(_bytes[offset..]);
}
