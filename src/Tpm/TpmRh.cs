namespace TpmFs.Tpm;

/// <summary>TPM_RH, the permanent handles (TPM 2.0 Part 2, 7.4), less those that are TPM 1.2's only.</summary>
public static class TpmRh
{
    public const uint Owner = 0x4000_0001;
    public const uint Null = 0x4000_0007;
    public const uint Unassigned = 0x4000_0008;

    /// <summary>TPM_RS_PW, the session handle of a password authorization.</summary>
    public const uint Password = 0x4000_0009;
    public const uint Lockout = 0x4000_000A;
    public const uint Endorsement = 0x4000_000B;
    public const uint Platform = 0x4000_000C;
    public const uint PlatformNv = 0x4000_000D;
}
