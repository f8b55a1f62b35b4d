using System.Diagnostics.CodeAnalysis;
using Serilog;
using TpmFs.Fuse.Mount;
using TpmFs.HandOver;
using TpmFs.Logs;

namespace TpmFs.Host;

/// <summary>
/// Goes on with the mount of the daemon before, or mounts, and sees that the next daemon can go on with it.
/// </summary>
/// <param name="doors">The mirror of the mount's openers, nodes and requests.</param>
internal sealed class MountOpener(
    Places places, OpenedMirror doors, Succession succession, FuseLog fuseLog, ILogger log)
{
    /// <summary>Returns true with the mount, or false with why there is none.</summary>
    public bool TryOpen([NotNullWhen(true)] out FuseMount? mount, out string problem)
    {
        bool isOpen = TryAdopt(out mount, out problem)
            || FuseMount.TryMount(Options(), fuseLog, out mount, out problem);
        if (isOpen)
        {
            Keep(mount!);
            succession.ForgetRest();
        }

        return isOpen;
    }

    private bool TryAdopt([NotNullWhen(true)] out FuseMount? mount, out string problem)
    {
        (mount, problem) = (null, "");
        if (succession.Inherited.Take(Succession.Connection) is not { } connection)
        {
            return false;
        }

        if (FuseMount.TryAdopt(Options(), connection, doors.Store, fuseLog, out mount, out problem))
        {
            return true;
        }

        connection.Dispose();
        log.Of(EventType.NotTakenOver).Warning(
            "the mount of the daemon before is not taken over, and its openers end: {Problem}", problem);
        return false;
    }

    /// <summary>
    /// Keeps the mount for the next daemon. A mount without memory for its requests is not kept: the next daemon could
    /// not answer the requests that are under way then. It mounts anew, which ends them.
    /// </summary>
    private void Keep(FuseMount mount)
    {
        if (doors.Store is not { } store)
        {
            return;
        }

        if (!doors.IsAdopted)
        {
            mount.Keep(store);
        }

        if (mount.IsTakenOver)
        {
            succession.Kept.KeepOn(Succession.Connection, mount.Device);
        }
        else
        {
            succession.Kept.Keep(Succession.Connection, mount.Device);
        }
    }

    private FuseMountOptions Options() => new()
    {
        MountPoint = places.MountPoint,
        CreateMountPoint = places.IsDefaultMountPoint,
        AllowOther = Environment.IsPrivilegedProcess,
        LockFile = places.MountLock,
    };
}
