using System.Text;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using TpmFs.Clients;
using TpmFs.Configuration;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;
using TpmFs.Power;
using TpmFs.Rm;
using TpmFs.State;
using TpmFs.Tree;
using TpmFs.Tree.Status;

namespace TpmFs.Daemon.Tests.Tree;

/// <summary>A whole tree as a daemon has it, on a TPM that is the test, and asked as the kernel asks.</summary>
internal sealed class TreeFixture : IDisposable
{
    /// <summary>Above PID_MAX_LIMIT (4194304): there is no such process.</summary>
    public const uint NoProcess = 5_000_000;

    public static readonly FuseCaller Root = new(0, 0, 1);
    public static readonly FuseCaller Alice = new(1000, 100, NoProcess);
    public static readonly FuseCaller Bob = new(1001, 101, 4712);

    private const int MaxCommandSize = 4096;
    private static readonly TpmDescription s_description = new("TEST", "a \"TPM\"", "1.2.3.4", 164);
    private readonly Logger _log;
    private readonly StateKeeper _state;
    private readonly List<LogEvent> _events = [];
    private readonly HashSet<int> _rawOpeners = [];
    private bool _isStopped;

    /// <param name="tpms">The number of its TPMs.</param>
    /// <param name="watcher">Learns of its nodes that are TPMs.</param>
    public TreeFixture(
        Settings? settings = null, string? folder = null, FakeUserDatabase? users = null, int tpms = 1,
        ITpmNodeWatcher? watcher = null)
    {
        Folder = folder ?? Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
        _log = new LoggerConfiguration().MinimumLevel.Debug().WriteTo.Sink(new Sink(_events)).CreateLogger();
        _state = new StateKeeper(new StateFile(Folder), DateTimeOffset.UnixEpoch, _log);
        Database = users ?? new FakeUserDatabase();
        Time.Advance(TimeSpan.FromDays(1)); // no file is of the epoch itself
        Facts = [.. Enumerable.Repeat(
            new TpmFacts(TpmFamily.Tpm20, MaxCommandSize, HighestLocality: 4, s_description), tpms)];
        Problems = [.. Enumerable.Repeat("", tpms)];
        TpmPort[] ports = [.. Enumerable.Range(0, tpms)
            .Select(
                i => new TpmPort(
                    i, OpenSpace, (owner, client) => OpenRaw(i, owner, client), () => Facts[i],
                    (name, limits) => new SchedulingGroup(new GroupId(++_groups), name, limits), Ended.Add))];
        Status = new DaemonStatus(
            [.. ports.Select(
                port => new TpmStatus(
                    port.Number, $"way {port.Number}", () => port.Facts, () => Problems[port.Number])
                {
                    FindUnanswered = () => Unanswered,
                })],
                    TimeProvider.System);
        Tree = new ServedTree(
            new TreeTpms(ports, Sleepers, Status), settings ?? new Settings(),
            new TreeOwners(new Access(0x1ED, 0, 0), new Access(0x1B0, 0, 109)),
            new TreeSurroundings(Database, _state, Time, _log) { Watcher = watcher });
    }

    private long _groups;

    public ServedTree Tree { get; }

    public DaemonStatus Status { get; }

    public ManualTime Time { get; } = new();

    /// <summary>Gets the facts about each TPM; may be changed at any time.</summary>
    public TpmFacts[] Facts { get; }

    /// <summary>Gets the reason why each TPM is not there; empty where it is.</summary>
    public string[] Problems { get; }

    /// <summary>Gets or sets the command that no TPM has answered; null where there is none.</summary>
    public UnansweredCommand? Unanswered { get; set; }

    /// <summary>Gets the TPMs that are told when the machine sleeps.</summary>
    public List<ISuspendable> Sleepers { get; } = [];

    public FakeUserDatabase Database { get; }

    public string Folder { get; }

    public List<SpaceOwner> Owners { get; } = [];

    public List<FakeSpace> Spaces { get; } = [];

    public List<SchedulingGroup> Ended { get; } = [];

    public LogEvent[] Events
    {
        get
        {
            lock (_events)
            {
                return [.. _events];
            }
        }
    }

    public string Logged => string.Join('\n', Events.Select(TpmFs.Logs.Rendered.Message));

    public TreeFileSystem Kernel => Tree.FileSystem;

    /// <summary>Stops it in order, which writes the state.</summary>
    public void Stop()
    {
        if (!_isStopped)
        {
            _isStopped = true;
            Tree.Dispose();
            _state.Dispose();
        }
    }

    public void Dispose()
    {
        Stop();
        _log.Dispose();
        if (Directory.Exists(Folder))
        {
            Directory.Delete(Folder, recursive: true);
        }
    }

    public Errno TryFind(string path, out FuseAttributes found, FuseCaller? caller = null)
    {
        Errno error = TryWalk(path, out FuseEntry entry, caller);
        found = entry.Attributes;
        return error;
    }

    /// <summary>Looks a path up, as the kernel does, and returns the number that the last lookup gave.</summary>
    public NodeId NumberOf(string path, FuseCaller? caller = null)
    {
        Errno error = TryWalk(path, out FuseEntry entry, caller);
        Assert.True(!error.IsError, $"{path}: errno {error.Value}");
        return entry.Node;
    }

    private Errno TryWalk(string path, out FuseEntry entry, FuseCaller? caller)
    {
        Assert.Equal(Errno.None, Kernel.GetAttributes(caller ?? Root, NodeId.Root, null, out FuseAttributes root));
        entry = new FuseEntry(NodeId.Root, root);
        foreach (string step in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            Errno error = Kernel.Lookup(caller ?? Root, entry.Node, Encoding.Latin1.GetBytes(step), out entry);
            if (error.IsError)
            {
                return error;
            }
        }

        return Errno.None;
    }

    public FuseAttributes Find(string path, FuseCaller? caller = null)
    {
        Errno error = TryFind(path, out FuseAttributes found, caller);
        Assert.True(!error.IsError, $"{path}: errno {error.Value}");
        return found;
    }

    public Errno Make(string parent, string name, uint mode = 0x1FF, FuseCaller? caller = null) =>
        Kernel.MakeDirectory(caller ?? Root, NumberOf(parent), Encoding.Latin1.GetBytes(name), mode, out _);

    public Errno Remove(string parent, string name, FuseCaller? caller = null) =>
        Kernel.RemoveDirectory(caller ?? Root, NumberOf(parent), Encoding.Latin1.GetBytes(name));

    public string[] List(string path, FuseCaller? caller = null)
    {
        var entries = new FakeDirectoryReply();
        Assert.Equal(Errno.None, Kernel.ReadDirectory(caller ?? Root, NumberOf(path), default, 0, entries));
        return [.. entries.Entries.Select(entry => entry.Name).Where(name => name is not ("." or ".."))
            .Order(StringComparer.Ordinal)];
    }

    public Errno TryOpen(string path, out FuseOpened opened, FuseCaller? caller = null) =>
        Kernel.Open(caller ?? Root, NumberOf(path), 2, out opened);

    public OpenId Open(string path, FuseCaller? caller = null)
    {
        Assert.Equal(Errno.None, TryOpen(path, out FuseOpened opened, caller));
        return opened.Open;
    }

    public FakeReply ReadFrom(OpenId open, ulong offset = 0, int size = 65536)
    {
        var reply = new FakeReply();
        Kernel.Read(Root, default, open, new FuseReadArguments(offset, size, 0), reply.Token);
        return reply;
    }

    public Errno WriteTo(OpenId open, string text) =>
        Kernel.Write(Root, default, open, default, Encoding.Latin1.GetBytes(text), out _);

    public string Read(string path)
    {
        OpenId open = Open(path);
        string text = Encoding.UTF8.GetString(ReadFrom(open).Data);
        Kernel.Release(default, open);
        return text;
    }

    public Errno Write(string path, string text)
    {
        OpenId open = Open(path);
        Errno error = WriteTo(open, text);
        Kernel.Release(default, open);
        return error;
    }

    public Errno Change(string path, uint? mode = null, uint? uid = null, uint? gid = null, ulong? size = null) =>
        Kernel.SetAttributes(
            Root, NumberOf(path), default(FuseAttributeChange) with { Mode = mode, Uid = uid, Gid = gid, Size = size },
            out _);

    private FakeSpace OpenSpace(SpaceOwner owner, ISpaceClient client)
    {
        Owners.Add(owner);
        Spaces.Add(new FakeSpace(client));
        return Spaces[^1];
    }

    private FakeSpace? OpenRaw(int tpm, SpaceOwner owner, ISpaceClient client)
    {
        if (!_rawOpeners.Add(tpm))
        {
            return null;
        }

        FakeSpace space = OpenSpace(owner, client);
        space.OnClose = () => _rawOpeners.Remove(tpm);
        return space;
    }

    private sealed class Sink(List<LogEvent> events) : ILogEventSink
    {
        public void Emit(LogEvent logEvent)
        {
            lock (events)
            {
                events.Add(logEvent);
            }
        }
    }
}
