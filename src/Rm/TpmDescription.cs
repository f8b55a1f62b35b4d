namespace TpmFs.Rm;

/// <summary>
/// What a TPM says it is, for people (TPM_PT_MANUFACTURER, _VENDOR_STRING_n, _FIRMWARE_VERSION_n, _REVISION).
/// </summary>
/// <param name="Manufacturer">Four characters.</param>
/// <param name="Model">The vendor's string.</param>
/// <param name="Firmware">Major and minor, then the vendor's own two numbers.</param>
/// <param name="Revision">The specification's revision times 100.</param>
public sealed record TpmDescription(string Manufacturer, string Model, string Firmware, uint Revision);
