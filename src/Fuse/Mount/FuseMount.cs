using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;
using TpmFs.Fuse.Mount;
using TpmFs.Fuse.Session;
using TpmFs.Mirror;

namespace TpmFs.Fuse.Mount;

/// <summary>
/// A mounted filesystem: the connection's descriptor, the lock on the mount point, and the layer on the mount point. A
/// <see cref="FuseSession"/> serves it. Before and after the session, processes that use the mount point wait in the
/// kernel.
/// </summary>
public sealed class FuseMount : IDisposable
{
    internal const string DevicePath = "/dev/fuse";

    private readonly MountPoint _mountPoint;
    private readonly MountedLayer _layer;
    private readonly FileLock _lock;
    private readonly IMounter _mounter;
    private readonly IFuseLog _log;
    private int _unmounted;

    private FuseMount(
        MountPoint mountPoint, MountedLayer layer, FileLock taken, IMounter mounter, IFuseLog log)
    {
        _mountPoint = mountPoint;
        _layer = layer;
        _lock = taken;
        _mounter = mounter;
        _log = log;
    }

    /// <summary>
    /// Raised before the connection is closed: a thread that waits for requests does not notice the close by itself.
    /// </summary>
    internal event Action? Unmounting;

    /// <summary>Gets the mount point, without symbolic links.</summary>
    public string MountPoint => _mountPoint.Path;

    /// <summary>True when an earlier process mounted it.</summary>
    public bool IsTakenOver { get; private init; }

    /// <summary>
    /// Gets the connection's descriptor, which another process keeps in order to go on with the mount.
    /// </summary>
    public SafeFileHandle Device => _layer.Connection;

    /// <summary>
    /// Mounts: by mount(2) as root, else by fusermount3. Removes first the mounts that dead servers of the same kind
    /// left there; refuses where a live server, or any other mount, is there.
    /// </summary>
    /// <param name="options">The mount's place and options.</param>
    /// <param name="log">Learns which dead mounts were removed.</param>
    /// <param name="mount">The mount, to be disposed of.</param>
    /// <param name="problem">The error, for people: its cause, its place, and the remedy.</param>
    public static bool TryMount(
        FuseMountOptions options, IFuseLog log, [NotNullWhen(true)] out FuseMount? mount, out string problem)
    {
        MountOptionRules.Check(options);
        mount = null;
        if (!File.Exists(DevicePath))
        {
            problem =
                $"'{DevicePath}' is missing. Load the kernel's module (modprobe fuse); in a container, pass the "
                    + $"device in (--device {DevicePath}).";
            return false;
        }

        if (!Mount.MountPoint.TryResolve(options.MountPoint, out MountPoint? mountPoint, out problem)
            || !MountLock.TryTake(options.LockFile, mountPoint.Path, out FileLock? taken, out problem))
        {
            return false;
        }

        IMounter mounter = ProcessCalls.EffectiveUserId == 0 ? new RootMounter() : new FusermountMounter(log);
        mount = TryMount(mountPoint, options, taken, mounter, log, out problem);
        if (mount is null)
        {
            taken.Dispose();
        }

        return mount is not null;
    }

    /// <summary>
    /// Goes on with the mount of an earlier process. The layer on the mount point stays what it is.
    /// </summary>
    /// <param name="options">The mount point.</param>
    /// <param name="connection">The earlier process's descriptor of the connection. The mount owns it.</param>
    /// <param name="records">
    /// The record that the earlier process wrote with <see cref="Keep"/>; null where there is no memory. The layer is
    /// then the one on top of the mount point, if it is of our kind.
    /// </param>
    /// <param name="log">Learns that the mount is taken off.</param>
    /// <param name="mount">The mount, to be disposed of.</param>
    /// <param name="problem">The error, for people: its cause, its place, and the remedy.</param>
    public static bool TryAdopt(
        FuseMountOptions options, SafeFileHandle connection, RecordStore? records, IFuseLog log,
        [NotNullWhen(true)] out FuseMount? mount, out string problem)
    {
        mount = null;
        if (!Mount.MountPoint.TryResolve(options.MountPoint, out MountPoint? mountPoint, out problem)
            || !MountLock.TryTake(options.LockFile, mountPoint.Path, out FileLock? taken, out problem))
        {
            return false;
        }

        MountedLayer? layer = records is null ? null : LayerRecord.Read(records, connection);
        layer ??= mountPoint.Layers is [.., var top] && top.Type == $"fuse.{options.Subtype}"
            ? new MountedLayer(connection, top.Device, IsMountPointOurs: options.CreateMountPoint) : null;
        if (layer is null)
        {
            taken.Dispose();
            problem = $"'{mountPoint.Path}' is not mounted any more.";
            return false;
        }

        IMounter mounter = ProcessCalls.EffectiveUserId == 0 ? new RootMounter() : new FusermountMounter(log);
        mount = new FuseMount(mountPoint, layer, taken, mounter, log) { IsTakenOver = true };
        return true;
    }

    /// <summary>Writes down what another process needs to go on with the mount.</summary>
    public void Keep(RecordStore records) => LayerRecord.Write(records, _layer);

    /// <summary>
    /// Closes the connection, so that every process that still waits gets an error at once. Takes our layer, and no
    /// other, off the mount point, and then gives the lock back. To be called after <see cref="FuseSession.Stop"/>.
    /// Idempotent.
    /// </summary>
    public void Unmount()
    {
        if (Interlocked.Exchange(ref _unmounted, 1) != 0)
        {
            return;
        }

        Unmounting?.Invoke();
        Device.Dispose();
        TakeOff();
        _lock.Dispose();
    }

    public void Dispose() => Unmount();

    private static FuseMount? TryMount(
        MountPoint mountPoint, FuseMountOptions options, FileLock taken, IMounter mounter, IFuseLog log,
        out string problem)
    {
        if (!TryClean(mountPoint, options, mounter, log, out problem)
            || !mountPoint.TryPrepare(options.CreateMountPoint, out bool created, out problem))
        {
            return null;
        }

        if (mounter.TryMount(mountPoint.Path, options, out SafeFileHandle? device, out problem))
        {
            if (mountPoint.Layers is [.., var layer])
            {
                return new FuseMount(
                    mountPoint, new MountedLayer(device, layer.Device, created), taken, mounter, log);
            }

            problem = $"Another process unmounted '{mountPoint.Path}' as soon as it was mounted. Start again.";
            device.Dispose();
        }

        if (created)
        {
            FileCalls.RemoveDirectory(mountPoint.Path);
        }

        return null;
    }

    /// <summary>
    /// Takes off the mounts that dead servers left. The caller holds the lock, so every mount of our kind is dead.
    /// </summary>
    private static bool TryClean(
        MountPoint mountPoint, FuseMountOptions options, IMounter mounter, IFuseLog log, out string problem)
    {
        IReadOnlyList<MountInfo> layers = mountPoint.Layers;
        MountInfo? foreign =
            layers.FirstOrDefault(layer => layer.Type != $"fuse.{options.Subtype}" || layer.Source != options.Source);
        if (foreign is not null)
        {
            problem =
                $"Cannot mount on '{mountPoint.Path}': a filesystem of type {foreign.Type} from '{foreign.Source}' is "
                    + "mounted there. "
                + $"Unmount it (umount '{mountPoint.Path}'), or choose another mount point.";
            return false;
        }

        problem = string.Empty;
        for (int i = 0; i < layers.Count; i++)
        {
            if (!mounter.TryUnmount(mountPoint.Path, out problem))
            {
                return false;
            }
        }

        if (layers.Count > 0)
        {
            log.Warning($"Unmounted {layers.Count} mount(s) at '{mountPoint.Path}' whose daemon was gone.");
        }

        return true;
    }

    private void TakeOff()
    {
        IReadOnlyList<MountInfo> layers = _mountPoint.Layers;
        if (layers is not [.., var top] || layers.All(layer => layer.Device != _layer.Number))
        {
            _log.Information($"Another process has unmounted '{MountPoint}'.");
        }
        else if (top.Device != _layer.Number)
        {
            _log.Warning(
                $"'{MountPoint}' stays mounted: a filesystem of type {top.Type} is mounted over it. Unmount both, with "
                    + $"umount '{MountPoint}' twice");
            return;
        }
        else if (!_mounter.TryUnmount(MountPoint, out string problem))
        {
            _log.Error(problem, null);
            return;
        }

        if (_layer.IsMountPointOurs)
        {
            Errno error = FileCalls.RemoveDirectory(MountPoint);
            if (error.IsError && error != Errno.ENOENT)
            {
                _log.Warning($"The mount point '{MountPoint}' cannot be removed: {error.Text()}.");
            }
        }
    }
}

/// <summary>A mount as the kernel made it.</summary>
/// <param name="Connection">The descriptor of <c>/dev/fuse</c> that serves the mount.</param>
/// <param name="Number">The filesystem's device number, MAJOR:MINOR, by which its layer is found again.</param>
/// <param name="IsMountPointOurs">True when the mount point was made for the mount, and goes with it.</param>
internal sealed record MountedLayer(SafeFileHandle Connection, string Number, bool IsMountPointOurs);
