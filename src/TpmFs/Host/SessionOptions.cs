using TpmFs.Fuse;
using TpmFs.Fuse.Session;

namespace TpmFs.Host;

/// <summary>How the daemon's sessions with the kernel are served.</summary>
internal static class SessionOptions
{
    /// <summary>
    /// Larger than what a control file takes, so that an order that is too long comes in one piece and is refused
    /// whole.
    /// </summary>
    private const int MaxWrite = 128 * 1024;

    /// <summary>More than a TPM takes at once, so that a command that is too long comes in one piece.</summary>
    private const int MaxDeviceWrite = 64 * 1024;

    public static FuseSessionOptions OfMount(DaemonPlan plan, ServedTpms tpms) => new()
    {
        PosixAcl = true,
        MaxWrite = MaxWrite,

        // Each TPM may have one of the session's threads for a command that takes long; one is left for all else.
        Threads = tpms.All.Count + 1,
        Follow = FollowOf(plan, tpms),
    };

    /// <summary>A device leads to one TPM, and takes commands alone.</summary>
    public static FuseSessionOptions OfDevices(DaemonPlan plan, ServedTpms tpms) => new()
    {
        MaxWrite = MaxDeviceWrite,
        Threads = 2,
        Follow = FollowOf(plan, tpms),
    };

    private static FollowOptions? FollowOf(DaemonPlan plan, ServedTpms tpms) => plan.Settings.FollowsClients
        ? new FollowOptions([.. tpms.All.Select<ServedTpm, Func<int>>(tpm => () => tpm.ServerProcess)])
        : null;
}
