using System.Buffers.Binary;

namespace TpmFs.Tpm.Wire;

/// <summary>TPM_HANDLE: the type in the high byte, an index in the low 24 bits (TPM 2.0 Part 2, 7).</summary>
public readonly record struct TpmHandle(uint Value)
{
    /// <summary>TRANSIENT_FIRST.</summary>
    public const uint TransientFirst = 0x8000_0000;

    /// <summary>TRANSIENT_LAST; 0x80FFFFFF is outside the range.</summary>
    public const uint TransientLast = 0x80FF_FFFE;

    /// <summary>The handle's type, TPM_HT.</summary>
    public TpmHt Type => (TpmHt)(Value >> 24);

    /// <summary>The low 24 bits, which alone identify a session.</summary>
    public uint Index => Value & 0x00FF_FFFF;

    /// <summary>
    /// True when the type is TPM_HT_TRANSIENT, whether the handle is inside the range of transient objects or not.
    /// </summary>
    public bool HasTransientType => Type == TpmHt.Transient;

    /// <summary>True when a transient object may have the handle.</summary>
    public bool IsTransient => Value is >= TransientFirst and <= TransientLast;

    /// <summary>
    /// True when the type is TPM_HT_HMAC_SESSION (also TPM_HT_LOADED_SESSION) or TPM_HT_POLICY_SESSION (also
    /// TPM_HT_SAVED_SESSION).
    /// </summary>
    public bool IsSession => Type is TpmHt.HmacSession or TpmHt.PolicySession;

    /// <summary>Reads the handle at the beginning of the bytes, of which there are at least four.</summary>
    public static TpmHandle Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt32BigEndian(bytes));

    public override string ToString() => $"0x{Value:X8}";
}
