using System.Buffers.Binary;

namespace TpmFs.Tpm.Wire;

/// <summary>Writes big-endian values to a span that the caller has made large enough.</summary>
public ref struct TpmWriter(Span<byte> bytes)
{
    private readonly Span<byte> _bytes = bytes;

    /// <summary>Gets the number of bytes written.</summary>
    public int Length { get; private set; }

    public readonly ReadOnlySpan<byte> Written => _bytes[..Length];

    public void WriteByte(byte value) => _bytes[Length++] = value;

    public void WriteUInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_bytes[Length..], value);
        Length += sizeof(ushort);
    }

    public void WriteUInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_bytes[Length..], value);
        Length += sizeof(uint);
    }

    public void WriteUInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_bytes[Length..], value);
        Length += sizeof(ulong);
    }

    public void WriteHandle(TpmHandle handle) => WriteUInt32(handle.Value);

    public void WriteBytes(ReadOnlySpan<byte> value)
    {
        value.CopyTo(_bytes[Length..]);
        Length += value.Length;
    }

    /// <summary>Writes a header whose size field <see cref="FinishMessage"/> sets.</summary>
    public void BeginMessage(TpmSt tag, uint code)
    {
        WriteUInt16((ushort)tag);
        WriteUInt32(0);
        WriteUInt32(code);
    }

    /// <summary>Sets the size field of the message that starts at the span's beginning.</summary>
    public readonly ReadOnlySpan<byte> FinishMessage()
    {
        BinaryPrimitives.WriteUInt32BigEndian(_bytes[sizeof(ushort)..], (uint)Length);
        return Written;
    }
}
