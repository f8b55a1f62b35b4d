namespace TpmFs.Tpm;

/// <summary>TPM_HT, the type in a handle's high byte (TPM 2.0 Part 2, 7.2).</summary>
public enum TpmHt : byte
{
    Pcr = 0x00,
    NvIndex = 0x01,
    HmacSession = 0x02,

    /// <summary>The type by which TPM2_GetCapability asks for loaded sessions, of either kind.</summary>
    LoadedSession = HmacSession,
    PolicySession = 0x03,

    /// <summary>The type by which TPM2_GetCapability asks for saved sessions, of either kind.</summary>
    SavedSession = PolicySession,
    ExternalNv = 0x11,
    Permanent = 0x40,
    Transient = 0x80,
    Persistent = 0x81,
    Ac = 0x90,
}
