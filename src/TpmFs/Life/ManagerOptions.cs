using TpmFs.Configuration;
using TpmFs.Rm;

namespace TpmFs.Life;

/// <summary>How the resource manager is to treat a TPM: as configured, else as suits the way to it.</summary>
internal static class ManagerOptions
{
    /// <summary>A TPM of tpmfs's own is nobody else's: what it holds at the start is left over, and no slot need be kept free.</summary>
    public static ResourceManagerOptions For(string tpm, Settings settings) => new()
    {
        IdleRelease = settings.IdleRelease,
        ReserveObjects = settings.ReserveObjects ?? 0,
        ReserveSessions = settings.ReserveSessions ?? 0,
        FlushAtStart = settings.FlushAtStart ?? (tpm == "embedded" || tpm.StartsWith("embedded:", StringComparison.Ordinal)),
    };
}
