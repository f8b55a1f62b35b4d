using System.Runtime.InteropServices;
using Serilog;
using TpmFs.Clients;
using TpmFs.Configuration;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Doors.Device;
using TpmFs.Fuse;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;
using TpmFs.Mirror;
using TpmFs.Permissions;
using TpmFs.Records;
using TpmFs.State;
using TpmFs.Tree;
using TpmFs.Tree.Status;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>
/// A daemon that serves one connection, is killed, and is followed by another; and the kernel at the other end, which
/// waits for each request's answer and takes one only.
/// </summary>
internal sealed class KilledDaemon : IDisposable
{
    private readonly Deaths _deaths;
    private readonly FakeUserDatabase _users = new();
    private readonly ManualTime _time = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
    private readonly List<IDisposable> _made = [];
    private readonly Dictionary<string, KernelConnection> _devices = [];
    private DeviceRule[] _rules = [];
    private DeviceWork _work = new();
    private ulong _unique;

    /// <param name="devices">NAME=NODE for the character devices that its nodes have.</param>
    /// <param name="deaths">After how many steps each daemon is killed.</param>
    public KilledDaemon(string[] devices, params int[] deaths)
        : this(new Deaths(deaths))
    {
        Configure(devices);
        Survive(() => { });
        Initialize();
    }

    private KilledDaemon(Deaths deaths)
    {
        _deaths = deaths;
        Mount = new KernelConnection(this, deaths);
        Tpm = new SurvivingTpm(deaths);
        _time.Advance(TimeSpan.FromDays(1));
    }

    /// <summary>Begins a daemon whose numbers go on above a number, so that they are the same each time.</summary>
    public static KilledDaemon WithNumbersAbove(ulong number)
    {
        byte[] memory = new byte[2 << 20];
        var store = RecordStore.Create(memory, DoorRecords.Format);
        foreach (CounterName name in Enum.GetValues<CounterName>())
        {
            RecordArea.Reserve(store, (byte)RecordKind.Counter, (ulong)name, sizeof(ulong)).As<ulong>() = number;
        }

        KilledDaemon daemon = After(memory);
        daemon.Initialize();
        return daemon;
    }

    /// <summary>Begins a daemon that follows one which left this memory.</summary>
    /// <param name="waiting">The numbers of requests that the earlier one read, and did not answer.</param>
    public static KilledDaemon After(byte[] memory, params ulong[] waiting)
    {
        var daemon = new KilledDaemon(new Deaths { Left = memory });
        Array.ForEach(waiting, daemon.Mount.Expect);
        daemon._unique = waiting.Append(0ul).Max();
        daemon.Survive(() => { });
        return daemon;
    }

    public SurvivingTpm Tpm { get; }

    /// <summary>Gets how often it was killed.</summary>
    public int Deaths => _deaths.Count;

    /// <summary>Gets the memory that outlives it.</summary>
    public ReadOnlySpan<byte> Memory => _deaths.Living;

    /// <summary>Gets what the last daemon took over.</summary>
    public TakenOver TakenOver { get; private set; } = TakenOver.Nothing;

    /// <summary>Returns a struct's bytes.</summary>
    public static byte[] Bytes<T>(T value)
        where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).ToArray();

    /// <summary>Gets the mount's connection.</summary>
    public KernelConnection Mount { get; }

    /// <summary>Sets the character devices that the next daemons' nodes have.</summary>
    public void Configure(params string[] devices) =>
        _rules = Array.ConvertAll(devices, device => RuleOf(device.Split('=')));

    /// <summary>Kills the daemon now, and each of the next ones after so many steps.</summary>
    public void Kill(params int[] steps)
    {
        _deaths.Kill(steps);
        Survive(() => { });
    }

    /// <summary>Returns the connection of a character device; null where there is none.</summary>
    public KernelConnection? DeviceOf(string name) => _devices.GetValueOrDefault(name);

    /// <summary>Gets every connection that there was.</summary>
    public List<KernelConnection> Connections { get; } = [];

    /// <summary>Returns a number for the next request, of whichever connection.</summary>
    public ulong NextRequest() => _unique += 2;

    /// <summary>Sends a request on the mount, and waits until the daemon has done what it does for it.</summary>
    /// <returns>The request's number.</returns>
    public ulong Send(FuseOpcode opcode, ulong node, byte[] body, FuseCaller? caller = null) =>
        Mount.Send(opcode, node, body, caller);

    /// <summary>Sends a request on the mount whose answer comes at once.</summary>
    public Answer Do(FuseOpcode opcode, ulong node, byte[] body, FuseCaller? caller = null) =>
        Mount.Do(opcode, node, body, caller);

    /// <summary>Returns what a request of any connection was answered with; null while it waits.</summary>
    public Answer? AnswerOf(ulong unique)
    {
        Answer? answer = null;
        Assert.Contains(Connections, connection => connection.TryGetAnswer(unique, out answer));
        return answer;
    }

    /// <summary>The TPM carries out what waits.</summary>
    public void RunTpm() => Survive(Tpm.Run);

    /// <summary>Returns true when whoever polls was woken since they were asked last.</summary>
    public bool WasWoken(ulong poll) => Connections.Any(connection => connection.WasWoken(poll));

    public void Dispose()
    {
        _made.ForEach(made => made.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Does something, with another daemon where the one is killed meanwhile.</summary>
    public void Survive(Action action)
    {
        for (bool isDone = false; !isDone;)
        {
            try
            {
                if (_deaths.Living is null)
                {
                    Begin();
                }

                action();
                if (_deaths.Living is not null)
                {
                    _work.Do();
                }
            }
            catch (DeathException)
            {
                // The next one goes on.
            }

            isDone = _deaths.Living is not null;
        }
    }

    private void Initialize()
    {
        const FuseInitFlags Flags = FuseInitFlags.MaxPages | FuseInitFlags.PosixAcl;
        Do(FuseOpcode.Init, 0, Bytes(new FuseInitIn(7, 40, 0, Flags)));
    }

    private void Begin()
    {
        RecordStore records = _deaths.Begin(DoorRecords.Format);
        ILogger log = Serilog.Core.Logger.None;
        var state = new StateKeeper(new StateFile(_folder), DateTimeOffset.UnixEpoch, log, records);
        _made.Add(state);
        TpmPort tpm = Tpm.NewPort();
        _work = new DeviceWork();
        var devices = new ServedDevices(
            _rules, new KernelDevices(this, _deaths, _devices, records), _work, log);
        var tree = new ServedTree(
            new TreeTpms([tpm], [], new DaemonStatus([], TimeProvider.System)), new Settings(),
            new TreeOwners(new Access(0x1ED, 0, 0), new Access(0x1B0, 0, 109)),
            new TreeSurroundings(_users, state, _time, log) { Records = records, Watcher = devices, Door = devices });
        _made.Insert(0, tree);
        TakenOver = tree.TakenOver;
        Tpm.LetGoUnclaimed();
        devices.GoOn();
        var options = new FuseSessionOptions { PosixAcl = true, MaxWrite = KernelConnection.Room - 4096 };
        Mount.Serve(tree.FileSystem, records, number: 0, output => new FuseNegotiation(options, output));
        devices.Start();
    }

    private static DeviceRule RuleOf(string[] device)
    {
        Assert.True(DeviceRule.TryParse(device[0], device[1], out DeviceRule? rule, out string problem), problem);
        return rule;
    }

    /// <summary>Gets the answers that the kernel got.</summary>
    internal sealed record Answer(Errno Error, byte[] Body)
    {
        public T As<T>()
            where T : unmanaged
        {
            Assert.Equal(Errno.None, Error);
            return MemoryMarshal.Read<T>(Body);
        }
    }

    /// <summary>Gets what daemons that lived said was wrong.</summary>
    public List<string> Errors { get; } = [];
}
