using TpmFs.Configuration;
using TpmFs.Rm;
using TpmFs.Tpm.Transports;

namespace TpmFs.Host;

/// <summary>
/// Works out how the resource manager is to treat a TPM: as configured, or by default as suits the way to the TPM.
/// </summary>
internal static class ManagerOptions
{
    /// <summary>
    /// A TPM of tpmfs's own has no other user: what it holds at the start is left over, and no slot need be kept free.
    /// A device also has the kernel and the users of the kernel's resource manager as its users: one slot of each kind
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
