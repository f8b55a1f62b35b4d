namespace TpmFs.Tpm.Wire;

/// <summary>TPM_HANDLE: the type in the high byte, an index in the low 24 bits (TPM 2.0 Part 2, 7).</summary>
public readonly record struct TpmHandle(uint Value)
{
    /// <summary>TRANSIENT_FIRST.</summary>
    public const uint TransientFirst = 0x8000_0000;

    /// <summary>TRANSIENT_LAST; 0x80FFFFFF is outside the range.</summary>
    public const uint TransientLast = 0x80FF_FFFE;

    /// <summary>The handle's type, TPM_HT.</summary>
    public byte Type => (byte)(Value >> 24);

    /// <summary>The low 24 bits, which alone identify a session.</summary>
    public uint Index => Value & 0x00FF_FFFF;

    /// <summary>TPM_HT_TRANSIENT, inside the range or not.</summary>
    public bool HasTransientType => Type == 0x80;

    /// <summary>A handle that a transient object may have.</summary>
    public bool IsTransient => Value is >= TransientFirst and <= TransientLast;

    /// <summary>TPM_HT_HMAC_SESSION (also TPM_HT_LOADED_SESSION) or TPM_HT_POLICY_SESSION (also TPM_HT_SAVED_SESSION).</summary>
    public bool IsSession => Type is 0x02 or 0x03;

    public override string ToString() => $"0x{Value:X8}";
}
