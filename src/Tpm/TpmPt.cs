namespace TpmFs.Tpm;

/// <summary>
/// TPM_PT, the properties of TPM_CAP_TPM_PROPERTIES that matter to a resource manager (TPM 2.0 Part 2, 6.13).
/// </summary>
public enum TpmPt : uint
{
    /// <summary>The first of the properties that change only with the firmware.</summary>
    Fixed = 0x100,

    /// <summary>"2.0" and a NUL, in four characters.</summary>
    FamilyIndicator = Fixed,
    Level = 0x101,

    /// <summary>The specification's revision times 100.</summary>
    Revision = 0x102,
    DayOfYear = 0x103,
    Year = 0x104,

    /// <summary>The vendor's identifier in the TCG's registry, in four characters.</summary>
    Manufacturer = 0x105,
    VendorString1 = 0x106,
    VendorString2 = 0x107,
    VendorString3 = 0x108,
    VendorString4 = 0x109,
    VendorTpmType = 0x10A,
    FirmwareVersion1 = 0x10B,
    FirmwareVersion2 = 0x10C,

    /// <summary>The largest MAX_BUFFER parameter, in bytes.</summary>
    InputBuffer = 0x10D,
    HrTransientMin = 0x10E,
    HrPersistentMin = 0x10F,
    HrLoadedMin = 0x110,
    ActiveSessionsMax = 0x111,
    ContextGapMax = 0x114,

    /// <summary>In bytes.</summary>
    MaxCommandSize = 0x11E,

    /// <summary>In bytes.</summary>
    MaxResponseSize = 0x11F,

    /// <summary>In bytes.</summary>
    MaxObjectContext = 0x121,

    /// <summary>In bytes.</summary>
    MaxSessionContext = 0x122,
    TotalCommands = 0x129,

    /// <summary>The first of the properties that change at any time.</summary>
    Variable = 0x200,
    Permanent = Variable,
    StartupClear = 0x201,
    HrNvIndex = 0x202,
    HrLoaded = 0x203,
    HrLoadedAvail = 0x204,
    HrActive = 0x205,
    HrActiveAvail = 0x206,
    HrTransientAvail = 0x207,
    HrPersistent = 0x208,
    HrPersistentAvail = 0x209,
    LockoutCounter = 0x20E,
    MaxAuthFail = 0x20F,

    /// <summary>In seconds.</summary>
    LockoutInterval = 0x210,

    /// <summary>In seconds.</summary>
    LockoutRecovery = 0x211,
}
