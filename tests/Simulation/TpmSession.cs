namespace TpmFs.Simulation;

internal enum SessionType : byte
{
    Hmac = 0,
    Policy = 1,
    Trial = 3,
}

/// <summary>
/// An authorization session (Part 1, 19). Its nonce rolls at every use, so that a stale copy can be told from the real
/// one.
/// </summary>
internal sealed class TpmSession
{
    public required SessionType Type { get; init; }

    public required ushort HashAlgorithm { get; init; }

    /// <summary>TPM_ALG_NULL when it cannot encrypt parameters.</summary>
    public required ushort Symmetric { get; init; }

    /// <summary>True when it was started with a bind object or a salt, so that its HMACs have a key.</summary>
    public bool HasKey { get; init; }

    public byte[] Nonce { get; set; } = [];

    /// <summary>Name and authorization value of what it is bound to; empty when it isn't.</summary>
    public byte[] BoundTo { get; set; } = [];

    public bool IsAudit { get; set; }

    public byte[] AuditDigest { get; set; } = [];

    public byte[] PolicyDigest { get; set; } = [];

    public uint PolicyCommandCode { get; set; }

    public uint PolicyPcrCounter { get; set; }

    public bool IsPolicy => Type != SessionType.Hmac;

    /// <summary>The handle's type byte and index together.</summary>
    public uint HandleAt(uint index) => ((IsPolicy ? Handles.PolicySession : Handles.HmacSession) << 24) | index;

    /// <summary>
    /// Forgets what the policy commands did (TPM2_PolicyRestart, and each use that continues the session).
    /// </summary>
    public void RestartPolicy()
    {
        PolicyDigest = new byte[Hashes.Size(HashAlgorithm)];
        PolicyCommandCode = 0;
        PolicyPcrCounter = 0;
    }

    /// <summary>Its bytes in a context blob.</summary>
    public byte[] Save() => new ByteWriter().U8((byte)Type).U16(HashAlgorithm).U16(Symmetric)
        .U8(HasKey ? (byte)1 : (byte)0).Sized(Nonce).Sized(BoundTo).U8(IsAudit ? (byte)1 : (byte)0)
        .Sized(AuditDigest).Sized(PolicyDigest).U32(PolicyCommandCode).U32(PolicyPcrCounter).ToArray();

    public static TpmSession Load(CommandReader reader) => new()
    {
        Type = (SessionType)reader.U8(),
        HashAlgorithm = reader.U16(),
        Symmetric = reader.U16(),
        HasKey = reader.U8() != 0,
        Nonce = reader.Sized(64).ToArray(),
        BoundTo = reader.Sized(256).ToArray(),
        IsAudit = reader.U8() != 0,
        AuditDigest = reader.Sized(64).ToArray(),
        PolicyDigest = reader.Sized(64).ToArray(),
        PolicyCommandCode = reader.U32(),
        PolicyPcrCounter = reader.U32(),
    };
}
