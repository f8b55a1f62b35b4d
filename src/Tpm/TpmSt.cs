namespace TpmFs.Tpm;

/// <summary>TPM_ST, the tags of commands, responses and structures (TPM 2.0 Part 2, 6.9).</summary>
public enum TpmSt : ushort
{
    /// <summary>The tag of a response to a command whose tag is unknown (TPM 1.2's).</summary>
    ResponseCommand = 0x00C4,
    Null = 0x8000,

    /// <summary>No authorization area follows the handles.</summary>
    NoSessions = 0x8001,

    /// <summary>An authorization area follows the handles.</summary>
    Sessions = 0x8002,
    AttestNv = 0x8014,
    AttestCommandAudit = 0x8015,
    AttestSessionAudit = 0x8016,
    AttestCertify = 0x8017,
    AttestQuote = 0x8018,
    AttestTime = 0x8019,
    AttestCreation = 0x801A,
    AttestNvDigest = 0x801C,
    Creation = 0x8021,
    Verified = 0x8022,
    AuthSecret = 0x8023,
    HashCheck = 0x8024,
    AuthSigned = 0x8025,
    FuManifest = 0x8029,
}
