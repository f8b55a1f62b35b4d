namespace TpmFs.Tpm.Wire;

/// <summary>The first fields of a TPMS_CONTEXT (TPM 2.0 Part 2, 14.5). Only the TPM can read the rest.</summary>
public readonly record struct TpmContext(ulong Sequence, TpmHandle SavedHandle, uint Hierarchy)
{
    /// <summary>The savedHandle of an ordinary transient object.</summary>
    public const uint SavedObject = 0x8000_0000;

    /// <summary>The savedHandle of a sequence object.</summary>
    public const uint SavedSequence = 0x8000_0001;

    /// <summary>The savedHandle of a transient object with stClear set: it does not survive TPM Restart.</summary>
    public const uint SavedStClear = 0x8000_0002;

    /// <summary>Reads a whole context, with nothing behind it.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out TpmContext context)
    {
        var reader = new TpmReader(bytes);
        if (reader.TryReadUInt64(out ulong sequence)
            && reader.TryReadHandle(out TpmHandle savedHandle)
            && reader.TryReadUInt32(out uint hierarchy)
            && reader.TryReadSized(out _)
            && reader.Remaining.IsEmpty)
        {
            context = new TpmContext(sequence, savedHandle, hierarchy);
            return true;
        }

        context = default;
        return false;
    }
}
