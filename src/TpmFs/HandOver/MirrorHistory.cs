using System.Buffers.Binary;

namespace TpmFs.HandOver;

/// <summary>A mirror's record of the daemons that took it over. It is written in place.</summary>
internal sealed class MirrorHistory(Memory<byte> record)
{
    /// <summary>The record's length, in bytes.</summary>
    public const int Length = 3 * sizeof(uint);

    /// <summary>Gets or sets how many daemons in a row began to take it over, and have not served yet.</summary>
    public uint Attempts
    {
        get => BinaryPrimitives.ReadUInt32LittleEndian(record.Span);
        set => BinaryPrimitives.WriteUInt32LittleEndian(record.Span, value);
    }

    /// <summary>Gets or sets how often it was taken over.</summary>
    public uint Takeovers
    {
        get => BinaryPrimitives.ReadUInt32LittleEndian(record.Span[sizeof(uint)..]);
        set => BinaryPrimitives.WriteUInt32LittleEndian(record.Span[sizeof(uint)..], value);
    }

    /// <summary>
    /// Gets or sets whether the mirror is younger than what it is about, because an earlier one could not be used.
    /// </summary>
    public bool IsYounger
    {
        get => BinaryPrimitives.ReadUInt32LittleEndian(record.Span[(2 * sizeof(uint))..]) != 0;
        set => BinaryPrimitives.WriteUInt32LittleEndian(record.Span[(2 * sizeof(uint))..], value ? 1u : 0);
    }
}
