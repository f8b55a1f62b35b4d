namespace TpmFs.Tpm;

/// <summary>TPM_SU, what TPM2_Startup and TPM2_Shutdown are told (TPM 2.0 Part 2, 6.10).</summary>
public enum TpmSu : ushort
{
    Clear = 0x0000,
    State = 0x0001,
}
