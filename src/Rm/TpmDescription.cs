namespace TpmFs.Rm;

/// <summary>
/// Describes a TPM for people, as the TPM reports itself (TPM_PT_MANUFACTURER, _VENDOR_STRING_n, _FIRMWARE_VERSION_n,
/// _REVISION).
/// </summary>
/// <param name="Manufacturer">Four characters.</param>
/// <param name="Model">The vendor's string.</param>
/// <param name="Firmware">The major and minor version, then the vendor's own two numbers.</param>
/// <param name="Revision">The specification's revision times 100.</param>
public sealed record TpmDescription(string Manufacturer, string Model, string Firmware, uint Revision);
