namespace TpmFs.Tpm;

/// <summary>TPM_PT, the properties of TPM_CAP_TPM_PROPERTIES (TPM 2.0 Part 2, 6.13), as far as they are named here.</summary>
public enum TpmPt : uint
{
    FamilyIndicator = 0x100,
    Manufacturer = 0x105,
    FirmwareVersion1 = 0x10B,
    FirmwareVersion2 = 0x10C,
    HrTransientMin = 0x10E,
    HrLoadedMin = 0x110,
    ActiveSessionsMax = 0x111,
    ContextGapMax = 0x114,
    MaxCommandSize = 0x11E,
    MaxResponseSize = 0x11F,
    Permanent = 0x200,
    StartupClear = 0x201,
    HrLoaded = 0x203,
    HrLoadedAvail = 0x204,
    HrActive = 0x205,
    HrActiveAvail = 0x206,
    HrTransientAvail = 0x207,
    LockoutCounter = 0x20E,
}
