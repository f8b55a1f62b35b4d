namespace TpmFs.Tpm.Wire;

/// <summary>TPMA_CC, what a TPM says of one of its commands (TPM 2.0 Part 2, 8.9).</summary>
public readonly record struct TpmaCc(uint Value)
{
    private const uint VendorBit = 1u << 29;

    /// <summary>The command code: its index and the vendor bit.</summary>
    public TpmCc Code => (TpmCc)(Value & (0xFFFF | VendorBit));

    /// <summary>The command may write to NV.</summary>
    public bool Nv => (Value & (1u << 22)) != 0;

    /// <summary>The command may flush any number of transient objects.</summary>
    public bool Extensive => (Value & (1u << 23)) != 0;

    /// <summary>A transient handle in the command's handle area is flushed when the command succeeds.</summary>
    public bool Flushed => (Value & (1u << 24)) != 0;

    /// <summary>The number of handles in the command's handle area, 0 to 7.</summary>
    public int CommandHandles => (int)(Value >> 25) & 7;

    /// <summary>The response has a handle area of one handle.</summary>
    public bool ResponseHandle => (Value & (1u << 28)) != 0;

    /// <summary>A vendor's command.</summary>
    public bool Vendor => (Value & VendorBit) != 0;
}
