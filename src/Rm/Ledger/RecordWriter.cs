using System.Buffers;
using System.Buffers.Binary;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Writes a record's values: numbers are big-endian, lists begin with their length in 4 bytes, and times are in units
/// of 100 ns since the machine's boot. One writer serves all records, one after the other.
/// </summary>
internal sealed class RecordWriter(TimeProvider time)
{
    private readonly ArrayBufferWriter<byte> _bytes = new(1024);

    public ReadOnlySpan<byte> Written => _bytes.WrittenSpan;

    /// <summary>Begins the next record.</summary>
    public void Clear() => _bytes.ResetWrittenCount();

    public void Byte(byte value)
    {
        _bytes.GetSpan(1)[0] = value;
        _bytes.Advance(1);
    }

    public void Bool(bool value) => Byte(value ? (byte)1 : (byte)0);

    public void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_bytes.GetSpan(sizeof(uint)), value);
        _bytes.Advance(sizeof(uint));
    }

    public void UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_bytes.GetSpan(sizeof(ulong)), value);
        _bytes.Advance(sizeof(ulong));
    }

    public void Int64(long value) => UInt64((ulong)value);

    /// <param name="timestamp">The time provider's.</param>
    public void Time(long timestamp) => Int64(time.GetElapsedTime(0, timestamp).Ticks);

    /// <summary>Writes a number that may be missing.</summary>
    public void Maybe(uint? value)
    {
        Bool(value is not null);
        if (value is { } number)
        {
            UInt32(number);
        }
    }

    /// <inheritdoc cref="Maybe(uint?)"/>
    public void Maybe(long? value)
    {
        Bool(value is not null);
        if (value is { } number)
        {
            Int64(number);
        }
    }

    public void Numbers(IReadOnlyCollection<uint> numbers)
    {
        UInt32((uint)numbers.Count);
        foreach (uint number in numbers)
        {
            UInt32(number);
        }
    }

    public void Owner(SpaceOwner owner)
    {
        Int64(owner.Group.Id.Value);
        UInt32(owner.Uid);
        Byte(owner.Locality);
        UInt32(owner.Payer);
    }

    /// <summary>Writes the bytes that end the record.</summary>
    public void Rest(ReadOnlySpan<byte> bytes) => _bytes.Write(bytes);
}
