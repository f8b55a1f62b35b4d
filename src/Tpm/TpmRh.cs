namespace TpmFs.Tpm;

/// <summary>TPM_RH, the permanent handles (TPM 2.0 Part 2, 7.4), without those of TPM 1.2.</summary>
public enum TpmRh : uint
{
    Owner = 0x4000_0001,
    Null = 0x4000_0007,
    Unassigned = 0x4000_0008,

    /// <summary>TPM_RS_PW, the session handle of a password authorization.</summary>
    Pw = 0x4000_0009,
    Lockout = 0x4000_000A,
    Endorsement = 0x4000_000B,
    Platform = 0x4000_000C,
    PlatformNv = 0x4000_000D,
}
