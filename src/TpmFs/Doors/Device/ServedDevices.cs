using Serilog;
using TpmFs.Configuration;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse.Character;

namespace TpmFs.Doors.Device;

/// <summary>
/// Keeps the character devices of a tree's nodes, as rules say. A thread of its own makes and removes them.
/// </summary>
/// <remarks>
/// To make or remove a device the kernel changes /dev, and waits for whoever lists that. So only this thread does, for
/// which nobody waits but the start and the stop, and these not for long. The lock guards the queue and the list, and
/// is held for a few instructions.
/// </remarks>
internal sealed class ServedDevices : ITpmNodeWatcher, IDisposable
{
    /// <summary>How long the start and the stop wait for the thread.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(5);

    private readonly IReadOnlyList<DeviceRule> _rules;
    private readonly IDeviceMaker _maker;
    private readonly ILogger _log;
    private readonly Thread _thread;
    private readonly object _gate = new();
    private readonly List<ServedDevice> _all = [];
    private readonly Queue<ServedDevice> _queue = [];
    private string _lastProblem = ""; // the thread's
    private bool _isIdle;
    private bool _mustStop;

    /// <param name="rules">Which nodes have devices.</param>
    /// <param name="maker">Makes devices.</param>
    /// <param name="log">Learns what a person should know.</param>
    public ServedDevices(IReadOnlyList<DeviceRule> rules, IDeviceMaker maker, ILogger log)
    {
        _rules = rules;
        _maker = maker;
        _log = log;
        _thread = new Thread(Run) { IsBackground = true, Name = "devices" };
    }

    /// <summary>Raised after a device was made, was removed, or could not be made. The devices' thread.</summary>
    public event Action? Settled;

    /// <summary>
    /// Returns the devices that there should be, by name, each with its node and with why it is not there, which is
    /// empty where it is.
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

            var device = new ServedDevice(name, node, Wake, _log);
            lock (_gate)
            {
                _all.Add(device);
                _queue.Enqueue(device);
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>Starts to make devices, and waits a moment for those that there are from the start.</summary>
    public void Start()
    {
        if (_rules.Count == 0)
        {
            return;
        }

        _thread.Start();
        lock (_gate)
        {
            long deadline = Environment.TickCount64 + (long)s_limit.TotalMilliseconds;
            while (!_isIdle && Environment.TickCount64 < deadline)
            {
                Monitor.Wait(_gate, (int)Math.Max(1, deadline - Environment.TickCount64));
            }

            if (!_isIdle)
            {
                _log.Warning("the kernel takes long to make devices; tpmfs does not wait for them");
            }
        }
    }

    /// <summary>Tries again to make what could not be made.</summary>
    public void Retry()
    {
        foreach (ServedDevice device in All.Where(one => one.Problem.Length > 0))
        {
            Wake(device);
        }
    }

    /// <summary>From now on no device can be opened (ENODEV): the daemon stops.</summary>
    public void RefuseOpens() => Array.ForEach(All, device => device.RefuseOpens());

    /// <summary>Takes all devices away.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _mustStop = true;
            Monitor.PulseAll(_gate);
        }

        if (_thread.IsAlive && !_thread.Join(s_limit))
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

    private void Wake(ServedDevice device)
    {
        lock (_gate)
        {
            _queue.Enqueue(device);
            Monitor.PulseAll(_gate);
        }
    }

    private void Run()
    {
        while (TryNext(out ServedDevice? device))
        {
            try
            {
                Settle(device!);
            }
            catch (Exception e)
            {
                _log.Error(e, "the device {Path} cannot be made or removed", DeviceName.PathOf(device!.Name));
            }
        }

        Array.ForEach(All, device => device.End());
    }

    private bool TryNext(out ServedDevice? device)
    {
        lock (_gate)
        {
            while (!_mustStop && _queue.Count == 0)
            {
                _isIdle = true;
                Monitor.PulseAll(_gate);
                Monitor.Wait(_gate);
            }

            _isIdle = false;
            device = _mustStop ? null : _queue.Dequeue();
            return device is not null;
        }
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
