namespace TpmFs.Tpm.Wire;

/// <summary>TPMA_CC, a TPM's description of one of its commands (TPM 2.0 Part 2, 8.9).</summary>
public readonly record struct TpmaCc(uint Value)
{
    private const uint VendorBit = 1u << 29;

    /// <summary>The command code: its index and the vendor bit.</summary>
    public TpmCc Code => (TpmCc)(Value & (0xFFFF | VendorBit));

    /// <summary>True when the command may write to NV.</summary>
    public bool Nv => (Value & (1u << 22)) != 0;

    /// <summary>True when the command may flush any number of transient objects.</summary>
    public bool Extensive => (Value & (1u << 23)) != 0;

    /// <summary>True when the command, if it succeeds, flushes the transient object in its handle area.</summary>
    public bool Flushed => (Value & (1u << 24)) != 0;

    /// <summary>The number of handles in the command's handle area, 0 to 7.</summary>
    public int CommandHandles => (int)(Value >> 25) & 7;

    /// <summary>True when the response has a handle area with one handle.</summary>
    public bool ResponseHandle => (Value & (1u << 28)) != 0;

    /// <summary>True for a vendor's command.</summary>
    public bool Vendor => (Value & VendorBit) != 0;
}
