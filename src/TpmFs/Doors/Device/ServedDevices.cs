using Serilog;
using TpmFs.Clients;
using TpmFs.Configuration;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse.Character;
using TpmFs.Fuse.Session;

namespace TpmFs.Doors.Device;

/// <summary>
/// Keeps the character devices of a tree's nodes, as rules say, and goes on with those of an earlier daemon. A thread
/// of its own makes and removes them.
/// </summary>
/// <remarks>The lock guards the list, and is held for a few instructions.</remarks>
internal sealed class ServedDevices : ITpmNodeWatcher, ILastingDoor, IDisposable
{
    /// <summary>The time for which the start and the stop wait for the thread.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(5);

    private readonly IReadOnlyList<DeviceRule> _rules;
    private readonly IDeviceMaker _maker;
    private readonly ILogger _log;
    private readonly IDeviceThread _thread;
    private readonly Lock _gate = new();
    private readonly List<ServedDevice> _all = [];
    private readonly List<ServedDevice> _earlier = []; // the devices that the thread is to go on with
    private string _lastProblem = ""; // used by the thread alone
    private FuseTakenOver _takenOver; // used by the thread alone, until all earlier devices go on

    /// <param name="rules">The rules that give nodes devices.</param>
    /// <param name="maker">Makes devices.</param>
    /// <param name="thread">The thread of the devices, which has not been started.</param>
    /// <param name="log">Takes the messages for people.</param>
    public ServedDevices(IReadOnlyList<DeviceRule> rules, IDeviceMaker maker, IDeviceThread thread, ILogger log)
    {
        _rules = rules;
        _maker = maker;
        _log = log;
        _thread = thread;
    }

    /// <summary>Raised after a device was made, was removed, or could not be made. The devices' thread.</summary>
    public event Action? Settled;

    /// <summary>
    /// Returns the devices that there should be, by name, each with its node and with the reason why it is not there,
    /// which is empty where it is.
    /// </summary>
    public IReadOnlyList<(string Path, string Node, string Problem)> List()
    {
        ServedDevice[] all = All;
        IEnumerable<(string, string, string)> devices =
            all.Where(one => !one.IsGone).Select(one => (DeviceName.PathOf(one.Name), one.Place, one.Problem));
        IEnumerable<(string, string, string)> missing = _rules
            .Where(rule => !rule.IsForAll && !all.Any(one => one.Name == rule.Name && !one.IsGone))
            .Select(rule => (DeviceName.PathOf(rule.Name), rule.Node, "there is no such node"));
        return [.. devices.Concat(missing).OrderBy(one => one.Item1, StringComparer.Ordinal)];
    }

    public void Added(TpmNode node)
    {
        foreach (DeviceRule rule in _rules)
        {
            if (rule.NameFor(node.Place) is not { } name)
            {
                continue;
            }

            ServedDevice device = Add(name, node);
            Wake(device);
        }
    }

    public bool GoesOn(uint connection) =>
        _maker.Earlier.FirstOrDefault(one => one.Connection == connection) is { } earlier
        && DeviceOf(earlier) is not null;

    public int Resume(OpenRecords opens, Dictionary<ulong, Conversation> conversations)
    {
        int gone = 0;
        foreach (DeviceRecord earlier in _maker.Earlier)
        {
            ServedDevice device = DeviceOf(earlier) ?? Add(earlier.Name, node: null);
            gone += device.Resume(earlier, opens, conversations);
            _earlier.Add(device);
        }

        opens.ForgetOthers(one => one == 0 || _maker.Earlier.Any(earlier => earlier.Connection == one));
        return gone;
    }

    /// <summary>
    /// Goes on with the devices of an earlier daemon. Their clients are served when this returns, unless the kernel
    /// takes long.
    /// </summary>
    /// <returns>The requests that were served again.</returns>
    public FuseTakenOver GoOn()
    {
        if (_earlier.Count == 0)
        {
            return default;
        }

        var isDone = new TaskCompletionSource();
        IEnumerable<Action> adoptions = _earlier.Select(device => (Action)(() => Adopt(device)));
        _thread.Start([.. adoptions, isDone.SetResult]);
        return isDone.Task.Wait(s_limit) ? _takenOver : default;
    }

    /// <summary>Starts to make devices, and waits a moment for those that there are from the start.</summary>
    public void Start()
    {
        if (_rules.Count == 0 && _earlier.Count == 0)
        {
            return;
        }

        _thread.Start();
        if (!_thread.AwaitIdle(s_limit))
        {
            _log.Warning("the kernel takes long to make devices; tpmfs does not wait for them");
        }
    }

    /// <summary>Tries again to make the devices that could not be made.</summary>
    public void Retry()
    {
        foreach (ServedDevice device in All.Where(one => one.Problem.Length > 0))
        {
            Wake(device);
        }
    }

    /// <summary>Refuses every open of a device from now on (ENODEV): the daemon stops.</summary>
    public void RefuseOpens() => Array.ForEach(All, device => device.RefuseOpens());

    /// <summary>
    /// Leaves all devices to the next daemon. A device that the thread takes long to make or to remove is left as if
    /// this daemon were killed.
    /// </summary>
    public void LetGo() => _thread.Stop(() => Array.ForEach(All, device => device.LetGo()), s_limit);

    /// <summary>Takes all devices away.</summary>
    public void Dispose()
    {
        if (!_thread.Stop(() => Array.ForEach(All, device => device.End()), s_limit))
        {
            _log.Warning("the kernel takes long to remove devices; they go when the daemon has ended");
        }
    }

    private ServedDevice[] All
    {
        get
        {
            lock (_gate)
            {
                return [.. _all];
            }
        }
    }

    private ServedDevice Add(string name, TpmNode? node)
    {
        var device = new ServedDevice(name, node, Wake, _log);
        lock (_gate)
        {
            _all.Add(device);
        }

        return device;
    }

    private void Wake(ServedDevice device) => _thread.Add(() => Settle(device));

    /// <summary>
    /// Returns the object that goes on with a device of an earlier daemon; null when the device is configured no more.
    /// </summary>
    private ServedDevice? DeviceOf(DeviceRecord earlier) => earlier.IsLeaving ? null : All.FirstOrDefault(
        one => !one.IsGone && one.Name == earlier.Name && (one.Place == earlier.Node || earlier.IsYounger));

    private void Adopt(ServedDevice device)
    {
        _takenOver += device.Adopt(_maker, () => Wake(device));
        Wake(device);
    }

    private void Settle(ServedDevice device)
    {
        if (device is { IsGone: false, IsMade: false })
        {
            // A device whose node has gone may have clients still, and keeps its name from another one no longer.
            Array.ForEach(
                [.. All.Where(one => one.Name == device.Name && one.IsGone && one.IsMade)], one => one.End());
        }

        device.Settle(_maker, () => Wake(device));
        string problem = device.IsGone ? "" : device.Problem;
        if (problem.Length > 0 && problem != _lastProblem)
        {
            _log.Warning("there is no {Path}: {Problem}", DeviceName.PathOf(device.Name), problem);
            _lastProblem = problem;
        }

        lock (_gate)
        {
            if (device is { IsGone: true, IsMade: false })
            {
                _all.Remove(device);
            }
        }

        Settled?.Invoke();
    }
}
