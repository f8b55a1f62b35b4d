using System.Globalization;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>
/// Gets how much of the long work is done: a part of it, or all of it where TPMFS_SOAK is set (make soak).
/// </summary>
internal static class Soak
{
    private static readonly bool s_isOn = Environment.GetEnvironmentVariable("TPMFS_SOAK") is { Length: > 0 };

    /// <summary>Gets how long a test soaks: as long as TPMFS_SOAK_SECONDS says, else an hour.</summary>
    public static TimeSpan Length { get; } = double.TryParse(
        Environment.GetEnvironmentVariable("TPMFS_SOAK_SECONDS"), CultureInfo.InvariantCulture, out double seconds)
        ? TimeSpan.FromSeconds(seconds) : TimeSpan.FromHours(1);

    public static int Count(int usually, int soaking) => s_isOn ? soaking : usually;

    public static TimeSpan Time(TimeSpan usually, TimeSpan soaking) => s_isOn ? soaking : usually;
}
