namespace TpmFs.Tpm.Wire;

/// <summary>
/// The ten bytes with which a command or a response begins: a tag, the size of the whole, and a command or response
/// code (Part 1, 18).
/// </summary>
public readonly record struct TpmHeader(TpmSt Tag, uint Size, uint Code)
{
    /// <summary>The header's size in bytes.</summary>
    public const int Length = 10;

    public static bool TryRead(ReadOnlySpan<byte> bytes, out TpmHeader header)
    {
        var reader = new TpmReader(bytes);
        if (reader.TryReadUInt16(out ushort tag)
            && reader.TryReadUInt32(out uint size)
            && reader.TryReadUInt32(out uint code))
        {
            header = new TpmHeader((TpmSt)tag, size, code);
            return true;
        }

        header = default;
        return false;
    }

    /// <summary>The code of a command's header.</summary>
    public TpmCc CommandCode => (TpmCc)Code;

    /// <summary>The code of a response's header.</summary>
    public TpmRc ResponseCode => new(Code);
}
