using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Reads what <see cref="RecordWriter"/> wrote. The bytes may be hostile: one value that does not fit makes the record
/// damaged. After the first such value every value reads as zero, and every list as empty.
/// </summary>
internal ref struct RecordReader(ReadOnlySpan<byte> bytes, TimeProvider time)
{
    private TpmReader _bytes = new(bytes);

    /// <summary>True when a value did not fit.</summary>
    public bool IsDamaged { get; private set; }

    /// <summary>True when everything was read, and fitted.</summary>
    public readonly bool IsWhole => !IsDamaged && _bytes.Remaining.IsEmpty;

    public byte Byte() => Check(_bytes.TryReadByte(out byte value)) ? value : (byte)0;

    public bool Bool()
    {
        byte value = Byte();
        return Check(value <= 1) && value == 1;
    }

    public uint UInt32() => Check(_bytes.TryReadUInt32(out uint value)) ? value : 0;

    public ulong UInt64() => Check(_bytes.TryReadUInt64(out ulong value)) ? value : 0;

    public long Int64() => (long)UInt64();

    /// <summary>Returns a timestamp of the time provider.</summary>
    public long Time() => (long)((Int128)Int64() * time.TimestampFrequency / TimeSpan.TicksPerSecond);

    public uint? MaybeUInt32() => Bool() ? UInt32() : null;

    public long? MaybeInt64() => Bool() ? Int64() : null;

    public uint[] Numbers()
    {
        uint[] numbers = new uint[Count(sizeof(uint))];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = UInt32();
        }

        return numbers;
    }

    /// <summary>Reads a list's length, which cannot be more than the bytes that are left have room for.</summary>
    /// <param name="leastSize">The fewest bytes that an item has.</param>
    public int Count(int leastSize)
    {
        uint count = UInt32();
        return Check(count <= (uint)(_bytes.Remaining.Length / leastSize)) ? (int)count : 0;
    }

    /// <summary>Reads the bytes that end the record.</summary>
    public ReadOnlySpan<byte> Rest() => _bytes.TryReadBytes(_bytes.Remaining.Length, out ReadOnlySpan<byte> rest)
        ? rest : default;

    /// <summary>Notes whether a value fits.</summary>
    /// <returns>True while everything fits.</returns>
    public bool Check(bool fits)
    {
        IsDamaged |= !fits;
        return !IsDamaged;
    }
}
