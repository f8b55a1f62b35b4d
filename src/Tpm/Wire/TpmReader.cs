using System.Buffers.Binary;

namespace TpmFs.Tpm.Wire;

/// <summary>
/// Reads big-endian values from a span. Every read is checked against what remains, and one that fails reads nothing.
/// </summary>
public ref struct TpmReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>Gets the place where the next read begins, in bytes from the start.</summary>
    public int Position { get; private set; }

    /// <summary>The bytes that have not been read.</summary>
    public readonly ReadOnlySpan<byte> Remaining => _bytes[Position..];

    public bool TryReadByte(out byte value)
    {
        if (Remaining.IsEmpty)
        {
            value = 0;
            return false;
        }

        value = _bytes[Position++];
        return true;
    }

    public bool TryReadUInt16(out ushort value)
    {
        if (!BinaryPrimitives.TryReadUInt16BigEndian(Remaining, out value))
        {
            return false;
        }

        Position += sizeof(ushort);
        return true;
    }

    public bool TryReadUInt32(out uint value)
    {
        if (!BinaryPrimitives.TryReadUInt32BigEndian(Remaining, out value))
        {
            return false;
        }

        Position += sizeof(uint);
        return true;
    }

    public bool TryReadUInt64(out ulong value)
    {
        if (!BinaryPrimitives.TryReadUInt64BigEndian(Remaining, out value))
        {
            return false;
        }

        Position += sizeof(ulong);
        return true;
    }

    public bool TryReadHandle(out TpmHandle handle)
    {
        bool read = TryReadUInt32(out uint value);
        handle = new TpmHandle(value);
        return read;
    }

    public bool TryReadBytes(int count, out ReadOnlySpan<byte> value)
    {
        if ((uint)count > (uint)Remaining.Length)
        {
            value = default;
            return false;
        }

        value = Remaining[..count];
        Position += count;
        return true;
    }

    /// <summary>Reads a TPM2B: a 16-bit size and that many bytes.</summary>
    public bool TryReadSized(out ReadOnlySpan<byte> value)
    {
        int start = Position;
        if (TryReadUInt16(out ushort size) && TryReadBytes(size, out value))
        {
            return true;
        }

        Position = start;
        value = default;
        return false;
    }
}
