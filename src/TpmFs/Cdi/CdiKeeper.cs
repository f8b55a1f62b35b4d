using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Serilog;
using TpmFs.Doors.Fuse;

namespace TpmFs.Cdi;

/// <summary>
/// Keeps the specification up to date with the daemon's domains: container engines find a domain by its name soon after
/// it was made, and do not find one that was removed.
/// </summary>
/// <remarks>
/// A thread of its own writes and removes the file, since no other may wait for a disk, or for a user who holds the
/// directory by listing it into memory that never arrives. The lock guards the list of nodes and the orders to the
/// thread. It is held for a few instructions.
/// </remarks>
/// <param name="path">The file.</param>
/// <param name="mountPoint">The mount point of the tree.</param>
/// <param name="listDevices">
/// Lists the character devices: the path of each, its node's place in the tree, and the reason why it is not there,
/// which is empty where it is.
/// </param>
/// <param name="log">Takes the messages for people.</param>
internal sealed partial class CdiKeeper(
    string path, string mountPoint, Func<IReadOnlyList<(string Path, string Node, string Problem)>> listDevices,
    ILogger log) : ITpmNodeWatcher, IDisposable
{
    /// <summary>
    /// The most names of which the log says that they are left out: users who may make domains make and remove as many
    /// as they like.
    /// </summary>
    internal const int MostLeftOut = 100;

    /// <summary>
    /// The time for which the file is left alone after it was written: users who may make domains make and remove them
    /// as often as they like.
    /// </summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private readonly object _gate = new();
    private readonly ManualResetEventSlim _hasWritten = new();
    private readonly List<TpmNode> _nodes = [];
    private readonly HashSet<string> _leftOut = [];
    private string _lastProblem = "";
    private Thread? _thread;
    private bool _hasChanged;
    private bool _mustStop;

    /// <summary>Gets the longest time that <see cref="Start"/> and <see cref="Dispose"/> wait for the thread.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromSeconds(5);

    public void Added(TpmNode node)
    {
        if (!ManagedNode().IsMatch(node.Place))
        {
            return;
        }

        lock (_gate)
        {
            _nodes.Add(node);
        }

        node.Changed += () =>
        {
            if (node.IsGone)
            {
                Refresh();
            }
        };
        Refresh();
    }

    /// <summary>Asks the thread to write the file again. Any thread.</summary>
    public void Refresh()
    {
        lock (_gate)
        {
            _hasChanged = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>
    /// Writes the file, and keeps it from now on. The tree is mounted by then. Returns when the file is written, or the
    /// limit is over.
    /// </summary>
    public void Start()
    {
        _thread = new Thread(Run) { IsBackground = true, Name = "cdi" };
        _thread.Start();
        if (!_hasWritten.Wait(Limit))
        {
            log.Warning(
                "container engines do not learn of the domains yet: writing {Path} takes long. Perhaps a program holds "
                    + "its directory, by listing it", path);
        }
    }

    /// <summary>
    /// Removes the file, where it was written: the domains go with the daemon. The tree is unmounted by then, since the
    /// thread may still wait for the directory, and keep the process from ending.
    /// </summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _mustStop = true;
            Monitor.PulseAll(_gate);
        }

        if (Interlocked.Exchange(ref _thread, null) is { } thread && !thread.Join(Limit))
        {
            SayLeft();
        }
    }

    private void Run()
    {
        do
        {
            Write();
            _hasWritten.Set();
        }
        while (Pause() && TryAwaitChange());

        if (!CdiFile.TryWrite(path, [], out _))
        {
            SayLeft();
        }
    }

    private void SayLeft() =>
        log.Warning("{Path} still names the domains of this daemon, which ends; remove it", path);

    /// <returns>False when the thread is to stop.</returns>
    private bool Pause()
    {
        lock (_gate)
        {
            long begun = Stopwatch.GetTimestamp();
            while (!_mustStop && s_pause - Stopwatch.GetElapsedTime(begun) is var left && left > TimeSpan.Zero)
            {
                Monitor.Wait(_gate, left);
            }

            return !_mustStop;
        }
    }

    /// <returns>False when the thread is to stop.</returns>
    private bool TryAwaitChange()
    {
        lock (_gate)
        {
            while (!_hasChanged && !_mustStop)
            {
                Monitor.Wait(_gate);
            }

            return !_mustStop;
        }
    }

    private void Write()
    {
        TpmNode[] nodes;
        lock (_gate)
        {
            _hasChanged = false; // first, so that no later change is missed
            _nodes.RemoveAll(node => node.IsGone);
            nodes = [.. _nodes.Where(node => node.IsThere)];
        }

        try
        {
            CdiFile.TryWrite(path, Devices(nodes), out string problem);
            if (problem.Length > 0 && problem != _lastProblem)
            {
                log.Warning(
                    "container engines do not learn of the domains: {Problem}. tpmfs tries it again when a domain is "
                        + "made or removed, and when it reloads its configuration (SIGHUP)", problem);
            }

            _lastProblem = problem;
        }
        catch (Exception e)
        {
            log.Error(
                e, "{Path} cannot be written: this is a fault of tpmfs, which tries it again at the next change", path);
        }
    }

    private List<CdiDevice> Devices(TpmNode[] nodes)
    {
        var byNode = listDevices().Where(device => device.Problem.Length == 0)
            .DistinctBy(device => device.Node).ToDictionary(device => device.Node, device => device.Path);
        var devices = new List<CdiDevice>();
        foreach (IGrouping<string, TpmNode> domain in nodes
            .GroupBy(node => ManagedNode().Match(node.Place).Groups["domain"].Value)
            .OrderBy(domain => domain.Key, StringComparer.Ordinal))
        {
            if (!CdiDevice.IsName(domain.Key))
            {
                SayLeftOut(domain.Key);
                continue;
            }

            // A domain that was removed and made again may be there twice for a moment; the newest holds.
            var places = domain.GroupBy(node => Number(node.Place)).ToDictionary(
                node => node.Key, node => node.Last().Place);
            devices.Add(new CdiDevice(
                domain.Key, places.ToDictionary(node => node.Key, node => Path.Combine(mountPoint, node.Value)))
            {
                Devices = places.Where(node => byNode.ContainsKey(node.Value))
                    .ToDictionary(node => node.Key, node => byNode[node.Value]),
            });
        }

        return devices;
    }

    private void SayLeftOut(string domain)
    {
        if (_leftOut.Count < MostLeftOut && _leftOut.Add(domain))
        {
            log.Warning("domains/{Domain} is not in {Path}: " + CdiDevice.NameForm, domain, path);
        }
    }

    private static int Number(string place) =>
        int.Parse(ManagedNode().Match(place).Groups["number"].ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^domains/(?<domain>[^/]+)/rm(?<number>[0-9]+)\z")]
    private static partial Regex ManagedNode();
}
