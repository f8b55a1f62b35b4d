using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;

namespace TpmFs.Doors.Device;

/// <summary>
/// Serves the requests of a character device: each open of the device becomes an opener of the device's node.
/// </summary>
/// <remarks>
/// The kernel checks the permissions of the device's own file. An ioctl(2) is ENOTTY, as on the kernel's devices: so is
/// FIONREAD, which the kernel answers by itself for files.
/// </remarks>
/// <param name="node">The node; null where the device's node is gone.</param>
/// <param name="files">The device's open files.</param>
/// <param name="left">Called when the last client has closed the device.</param>
/// <param name="notifier">Wakes the device's clients that poll.</param>
internal sealed class DeviceFileSystem(TpmNode? node, OpenFiles files, Action left, PollNotifier notifier)
    : OpenFileSystem(files, notifier)
{
    /// <summary>Returns ENOENT: a device has no names below it. The kernel does not ask.</summary>
    public override Errno Lookup(
        in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, out FuseEntry entry)
    {
        entry = default;
        return Errno.ENOENT;
    }

    /// <summary>Returns ENOENT: the kernel has the attributes of the device's file, and does not ask.</summary>
    public override Errno GetAttributes(
        in FuseCaller caller, NodeId node, OpenId? open, out FuseAttributes attributes)
    {
        attributes = default;
        return Errno.ENOENT;
    }

    public override void Release(NodeId of, OpenId open)
    {
        base.Release(of, open);
        if (OpenFiles == 0)
        {
            left();
        }
    }

    protected override Errno TryOpen(in FuseCaller caller, NodeId of, uint flags, out OpenFile? file)
    {
        file = null;
        return node?.VisibleTo(caller) is null
            ? Errno.ENODEV : node.Open(caller.ToCaller() with { Door = DoorKind.Device }, Notifier, out file);
    }
}
