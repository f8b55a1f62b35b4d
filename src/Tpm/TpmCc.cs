namespace TpmFs.Tpm;

/// <summary>TPM_CC of the TPM 2.0 library specification, Part 2, 6.5.2.</summary>
public enum TpmCc : uint
{
    NvUndefineSpaceSpecial = 0x11F,
    EvictControl = 0x120,
    HierarchyControl = 0x121,
    NvUndefineSpace = 0x122,
    ChangeEps = 0x124,
    ChangePps = 0x125,
    Clear = 0x126,
    SetCommandCodeAuditStatus = 0x140,
    CreatePrimary = 0x131,
    SelfTest = 0x143,
    Startup = 0x144,
    Shutdown = 0x145,
    HmacStart = 0x15B,
    Create = 0x153,
    Load = 0x157,
    ContextLoad = 0x161,
    ContextSave = 0x162,
    FlushContext = 0x165,
    LoadExternal = 0x167,
    ReadPublic = 0x173,
    StartAuthSession = 0x176,
    GetCapability = 0x17A,
    GetRandom = 0x17B,
    HashSequenceStart = 0x186,
    CreateLoaded = 0x191,
    ReadClock = 0x181,
}
