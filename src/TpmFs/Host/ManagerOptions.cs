using TpmFs.Configuration;
using TpmFs.Rm;
using TpmFs.Tpm.Transports;

namespace TpmFs.Host;

/// <summary>How the resource manager is to treat a TPM: as configured, else as suits the way to it.</summary>
internal static class ManagerOptions
{
    /// <summary>
    /// A TPM of tpmfs's own is nobody else's: what it holds at the start is left over, and no slot need be kept free. A
    /// device has the kernel for another user, and whoever uses the kernel's resource manager: one slot of each kind
    /// stays free.
    /// </summary>
    public static ResourceManagerOptions For(TransportSpec tpm, Settings settings) => new()
    {
        IdleRelease = settings.IdleRelease,
        CommandTimeout = settings.CommandTimeout,
        ReserveObjects = settings.ReserveObjects ?? (tpm.IsShared ? 1 : 0),
        ReserveSessions = settings.ReserveSessions ?? (tpm.IsShared ? 1 : 0),
        FlushAtStart = settings.FlushAtStart ?? tpm.IsOwn,
    };
}
