namespace TpmFs.Tpm;

/// <summary>TPM_CAP, what TPM2_GetCapability is asked for (TPM 2.0 Part 2, 6.12).</summary>
public enum TpmCap : uint
{
    Algs = 0,
    Handles = 1,
    Commands = 2,
    PpCommands = 3,
    AuditCommands = 4,
    Pcrs = 5,
    TpmProperties = 6,
    PcrProperties = 7,
    EccCurves = 8,
    AuthPolicies = 9,
    Act = 10,
}
