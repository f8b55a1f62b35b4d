namespace TpmFs.Tpm;

/// <summary>TPM_CAP, what TPM2_GetCapability can be asked for (TPM 2.0 Part 2, 6.12).</summary>
public enum TpmCap : uint
{
    Algorithms = 0x0,
    Handles = 0x1,
    Commands = 0x2,
    PpCommands = 0x3,
    AuditCommands = 0x4,
    Pcrs = 0x5,
    TpmProperties = 0x6,
    PcrProperties = 0x7,
    EccCurves = 0x8,
    AuthPolicies = 0x9,
    Act = 0xA,
    VendorProperty = 0x100,
}
