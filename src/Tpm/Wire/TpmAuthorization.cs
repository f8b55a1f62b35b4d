namespace TpmFs.Tpm.Wire;

/// <summary>
/// One entry of a command's authorization area, without its nonce and HMAC (TPMS_AUTH_COMMAND, Part 2, 10.13.2).
/// </summary>
public readonly record struct TpmAuthorization(TpmHandle Session, byte Attributes)
{
    /// <summary>TPMA_SESSION continueSession.</summary>
    public const byte ContinueSession = 1 << 0;

    /// <summary>TPMA_SESSION auditExclusive.</summary>
    public const byte AuditExclusive = 1 << 1;

    /// <summary>The bits of TPMA_SESSION that must be clear.</summary>
    public const byte Reserved = 0x18;

    /// <summary>TPMA_SESSION audit.</summary>
    public const byte Audit = 1 << 7;

    /// <summary>The most entries that a command may have (MAX_SESSION_NUM).</summary>
    public const int Max = 3;

    /// <summary>The fewest bytes of an entry: a handle, an empty nonce, attributes, an empty HMAC.</summary>
    public const int MinSize = 9;

    /// <summary>The most bytes of a nonce or an HMAC: the largest digest that a TPM has (SHA-512).</summary>
    public const int MaxDigest = 64;
}
