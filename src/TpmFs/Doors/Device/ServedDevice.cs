using Serilog;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse.Character;
using TpmFs.Fuse.Session;
using TpmFs.Logs;
using TpmFs.Permissions;

namespace TpmFs.Doors.Device;

/// <summary>
/// The character device of a node. It exists as long as the node does; its owner, mode and ACL are the node's. Once the
/// node has gone, no process finds the device, and open files give ENODEV; the device itself goes with its last client.
/// </summary>
/// <remarks>
/// The devices' thread makes and removes the device. The lock guards the fields, and puts changes of access in one
/// order. A change of the access of a file in /dev waits only for other such changes.
/// </remarks>
internal sealed class ServedDevice
{
    private readonly TpmNode? _node;
    private readonly Action<ServedDevice> _wake;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private IMadeDevice? _made;
    private DeviceRecord? _record; // of what is made, or about to be
    private volatile DeviceFileSystem? _fileSystem; // of what was made last
    private volatile bool _refusesOpens;
    private string _problem = "it is being made";
    private bool _isHidden;
    private bool _isEnded;

    /// <param name="name">The device's name.</param>
    /// <param name="node">The device's node; null where the node of an earlier daemon's device is gone.</param>
    /// <param name="wake">Asks the devices' thread to call <see cref="Settle"/>. Any thread.</param>
    /// <param name="log">Takes the messages for people.</param>
    public ServedDevice(string name, TpmNode? node, Action<ServedDevice> wake, ILogger log)
    {
        _node = node;
        _wake = wake;
        _log = log;
        Name = name;
        if (node is not null)
        {
            node.Changed += () =>
            {
                NoteIfGone();
                ApplyAccess();
                WakeIfGone();
            };
        }
    }

    /// <summary>Gets the device's path below /dev.</summary>
    public string Name { get; }

    /// <summary>Gets the place of the device's node in the tree.</summary>
    public string Place => _node?.Place ?? "";

    /// <summary>True when the node has gone, so that the device goes too.</summary>
    public bool IsGone => _node is null || _node.IsGone;

    /// <summary>Gets the reason why the device is not there; empty while it is.</summary>
    public string Problem
    {
        get
        {
            lock (_gate)
            {
                return _problem;
            }
        }
    }

    /// <summary>True when there is a device, found by its name or not. The devices' thread.</summary>
    public bool IsMade => _made is not null;

    /// <summary>Refuses every open of the device from now on (ENODEV).</summary>
    public void RefuseOpens()
    {
        _refusesOpens = true;
        _fileSystem?.RefuseOpens();
    }

    /// <summary>
    /// Opens the files again that were open on this device in an earlier daemon. Before any other call but the
    /// constructor's.
    /// </summary>
    /// <param name="earlier">The earlier daemon's record of the device.</param>
    /// <param name="opens">The files.</param>
    /// <param name="conversations">The conversations that go on, by their numbers.</param>
    /// <returns>The number of files that cannot be opened again.</returns>
    public int Resume(DeviceRecord earlier, OpenRecords opens, Dictionary<ulong, Conversation> conversations)
    {
        _record = earlier;
        earlier.IsLeaving |= IsGone;
        _fileSystem = NewFileSystem(opens);
        return _fileSystem.Resume(conversations).Gone;
    }

    /// <summary>
    /// Goes on with the device of an earlier daemon, after <see cref="Resume"/>. The devices' thread.
    /// </summary>
    /// <param name="maker">Has the device.</param>
    /// <param name="ended">Called when the kernel ends the device. Any thread.</param>
    /// <returns>The requests that were served again.</returns>
    public FuseTakenOver Adopt(IDeviceMaker maker, Action ended)
    {
        if (maker.TryAdopt(_record!, _fileSystem!, out IMadeDevice? made, out string problem))
        {
            Use(made, ended);
            return made.TakenOver;
        }

        _fileSystem!.Stopped();
        Forget(problem);
        _log.Of(EventType.NotTakenOver).Warning(
            "the device {Path} of the daemon before is not taken over, and its openers end: {Problem}",
            DeviceName.PathOf(Name), problem);
        return default;
    }

    /// <summary>
    /// Makes the device where it is missing, or takes it away where its node has gone. The devices' thread.
    /// </summary>
    /// <param name="maker">Makes devices.</param>
    /// <param name="ended">Called when the kernel ends the device. Any thread.</param>
    public void Settle(IDeviceMaker maker, Action ended)
    {
        if (IsGone)
        {
            Leave();
            return;
        }

        if (_made is { Ending.IsCompleted: true })
        {
            _log.Error(
                "the kernel ended the device {Path}, or somebody aborted it; tpmfs makes it again",
                DeviceName.PathOf(Name));
            Close();
        }

        if (_made is null && !_isEnded)
        {
            Make(maker, ended);
        }
    }

    /// <summary>
    /// Takes the device away, also from processes that have it open: they get ENOTCONN from then on. The devices'
    /// thread.
    /// </summary>
    public void Close()
    {
        IMadeDevice? made;
        lock (_gate)
        {
            (made, _made, _record) = (_made, null, null);
            _problem = "it is not served";
        }

        made?.Dispose();
    }

    /// <summary>Takes the device away for good. The devices' thread.</summary>
    public void End()
    {
        _isEnded = true;
        Close();
    }

    /// <summary>Leaves the device to the next daemon. The devices' thread.</summary>
    public void LetGo()
    {
        _isEnded = true;
        _made?.LetGo();
    }

    private DeviceFileSystem NewFileSystem(OpenRecords opens)
    {
        var fileSystem = new DeviceFileSystem(
            _node, new OpenFiles(opens, _record!.Connection), WakeIfGone, new PollNotifier());
        _fileSystem = fileSystem;
        if (_refusesOpens || IsGone)
        {
            fileSystem.RefuseOpens();
        }

        return fileSystem;
    }

    private void Make(IDeviceMaker maker, Action ended)
    {
        lock (_gate)
        {
            _record = maker.Begin(Name, Place);
        }

        NoteIfGone();
        if (maker.TryMake(_record, NewFileSystem(_node!.Opens), out IMadeDevice? made, out string problem))
        {
            Use(made, ended);
            _log.Information("{Path} leads to {Node}", DeviceName.PathOf(Name), Place);
        }
        else
        {
            Forget(problem);
        }
    }

    /// <summary>Removes the record, since there is no device with which another daemon could go on.</summary>
    private void Forget(string problem)
    {
        DeviceRecord record;
        lock (_gate)
        {
            // Nobody may write to a record that is removed.
            (record, _record, _problem) = (_record!, null, problem);
        }

        record.Remove();
    }

    private void Use(IMadeDevice made, Action ended)
    {
        lock (_gate)
        {
            (_made, _problem) = (made, "");
        }

        ApplyAccess();
        made.Ending.ContinueWith(_ => ended(), TaskScheduler.Default);
    }

    /// <summary>
    /// Writes down at once that the node has gone. When the next daemon looks, there may be another node in its place.
    /// </summary>
    private void NoteIfGone()
    {
        lock (_gate)
        {
            if (IsGone && _record is { IsLeaving: false })
            {
                _record.IsLeaving = true;
            }
        }
    }

    /// <summary>
    /// Gives the device the node's access. The thread that comes last does so with the node's last access.
    /// </summary>
    private void ApplyAccess()
    {
        lock (_gate)
        {
            if (_made is null || IsGone)
            {
                return;
            }

            Errno error = _made.SetAccess(Of(_node!.Access));
            _problem = error.IsError
                ? $"its owner and mode could not be set ({error.Text()}), so only root can open it. In a unit of "
                    + "systemd: CapabilityBoundingSet=CAP_CHOWN"
                : "";
            if (error.IsError)
            {
                _log.Error("{Path}: {Problem}", DeviceName.PathOf(Name), _problem);
            }
        }
    }

    private void Leave()
    {
        RefuseOpens();
        if (!_isHidden)
        {
            _isHidden = true;
            _made?.Hide();
        }

        if (_fileSystem is null or { OpenFiles: 0 })
        {
            End();
        }
    }

    private void WakeIfGone()
    {
        if (IsGone)
        {
            _wake(this);
        }
    }

    private static DeviceAccess Of(Access access) => new(
        access.Uid, access.Gid, access.Mode, access.Acl?.ToBytes(access.Mode) ?? ReadOnlyMemory<byte>.Empty);
}
