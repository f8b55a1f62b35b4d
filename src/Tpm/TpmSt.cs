namespace TpmFs.Tpm;

/// <summary>TPM_ST, the tag of a command or response (TPM 2.0 Part 2, 6.9). Other values survive a round trip.</summary>
public enum TpmSt : ushort
{
    RspCommand = 0x00C4,
    NoSessions = 0x8001,
    Sessions = 0x8002,
}
