using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;

namespace TpmFs.Doors.Device;

/// <summary>
/// What a character device asks: each open of the device is an opener of the device's node, and is served as one.
/// </summary>
/// <remarks>
/// The kernel checks the permissions of the device's own file. An ioctl(2) is ENOTTY, as on the kernel's devices: so is
/// FIONREAD, which the kernel answers by itself for files.
/// </remarks>
/// <param name="node">The node.</param>
/// <param name="left">Is called when the last client has closed the device.</param>
internal sealed class DeviceFileSystem(TpmNode node, Action left) : FuseFileSystem
{
    private readonly OpenFiles _files = new();
    private readonly PollNotifier _notifier = new();
    private volatile bool _closing;

    /// <summary>Gets how many clients have the device open.</summary>
    public int OpenFiles => _files.Count;

    /// <summary>From now on the device cannot be opened (ENODEV). What is open goes on.</summary>
    public void RefuseOpens() => _closing = true;

    public override void Started(IFuseNotifier notifier) => _notifier.Attach(notifier);

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

    public override Errno Open(in FuseCaller caller, NodeId of, uint flags, out FuseOpened opened)
    {
        opened = default;
        if (_closing || node.VisibleTo(caller) is null)
        {
            return Errno.ENODEV;
        }

        Errno error = node.Open(
            caller.ToCaller() with { Door = DoorKind.Device }, _notifier, out OpenFile? file);
        opened = error.IsError ? default : _files.Add(file!, of, caller, flags);
        return error;
    }

    public override void Read(
        in FuseCaller caller, NodeId of, OpenId open, in FuseReadArguments arguments, FuseReadReply reply) =>
        _files.Read(open, arguments, reply);

    public override Errno Write(
        in FuseCaller caller, NodeId of, OpenId open, in FuseWriteArguments arguments, ReadOnlySpan<byte> data,
        out int written) =>
        _files.Write(open, arguments, data, out written, out _);

    public override WriteProgress Lend(NodeId of, OpenId open) => _files.Lend(open);

    public override Errno Poll(
        in FuseCaller caller, NodeId of, OpenId open, PollId? notify, PollEvents wanted, out PollEvents ready)
    {
        ready = _files.Poll(open, notify, wanted);
        return Errno.None;
    }

    public override void Release(NodeId of, OpenId open)
    {
        _files.Release(open);
        if (_files.Count == 0)
        {
            left();
        }
    }

    public override void Stopped()
    {
        RefuseOpens();
        _files.ReleaseAll();
    }
}
