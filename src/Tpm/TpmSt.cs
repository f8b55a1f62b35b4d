namespace TpmFs.Tpm;

/// <summary>TPM_ST, the tags of commands and responses (TPM 2.0 Part 2, 6.9).</summary>
public enum TpmSt : ushort
{
    /// <summary>A response to a command whose tag is none (TPM 1.2's).</summary>
    ResponseCommand = 0x00C4,
    Null = 0x8000,

    /// <summary>No authorization area follows the handles.</summary>
    NoSessions = 0x8001,

    /// <summary>An authorization area follows the handles.</summary>
    Sessions = 0x8002,
}
