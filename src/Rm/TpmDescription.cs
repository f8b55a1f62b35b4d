using System.Text;
using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>
/// What a TPM says it is, for people (TPM_PT_MANUFACTURER, _VENDOR_STRING_n, _FIRMWARE_VERSION_n, _REVISION).
/// </summary>
/// <param name="Manufacturer">Four characters.</param>
/// <param name="Model">The vendor's string.</param>
/// <param name="Firmware">Major and minor, then the vendor's own two numbers.</param>
/// <param name="Revision">The specification's revision times 100.</param>
public sealed record TpmDescription(string Manufacturer, string Model, string Firmware, uint Revision)
{
    internal static TpmDescription Read(TpmProfile profile)
    {
        uint first = profile.Property(TpmPt.FirmwareVersion1, 0);
        uint second = profile.Property(TpmPt.FirmwareVersion2, 0);
        return new TpmDescription(
            Text(profile, TpmPt.Manufacturer),
            Text(profile, TpmPt.VendorString1, TpmPt.VendorString2, TpmPt.VendorString3, TpmPt.VendorString4),
            $"{first >> 16}.{first & 0xFFFF}.{second >> 16}.{second & 0xFFFF}",
            profile.Property(TpmPt.Revision, 0));
    }

    /// <summary>
    /// The printable characters of properties that hold four each; the TPM's bytes are not trusted to be text.
    /// </summary>
    private static string Text(TpmProfile profile, params ReadOnlySpan<TpmPt> properties)
    {
        var text = new StringBuilder();
        foreach (TpmPt property in properties)
        {
            uint characters = profile.Property(property, 0);
            for (int shift = 24; shift >= 0; shift -= 8)
            {
                char character = (char)((characters >> shift) & 0xFF);
                text.Append(character is >= ' ' and <= '~' ? character : ' ');
            }
        }

        return text.ToString().Trim();
    }
}
