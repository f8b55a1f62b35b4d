using System.Diagnostics.CodeAnalysis;
using TpmFs.Doors.Device;
using TpmFs.Fuse;
using TpmFs.Fuse.Character;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;
using TpmFs.Mirror;
using TpmFs.Records;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>The kernel's character devices, as one daemon makes them and finds those of the daemon before.</summary>
/// <param name="all">The kernel's end of each device, by name. It outlives the daemon.</param>
internal sealed class KernelDevices(
    KilledDaemon daemon, Deaths deaths, Dictionary<string, KernelConnection> all, RecordStore records) : IDeviceMaker
{
    private readonly byte[] _living = deaths.Living!;
    private uint _last = records.Records.Where(record => record.Kind is 1 or (byte)RecordKind.Device)
        .Select(record => record.Kind == 1 ? (uint)(record.Id >> 32) : (uint)record.Id).DefaultIfEmpty().Max();

    public IReadOnlyList<DeviceRecord> Earlier { get; } = FindEarlier(all, records);

    public DeviceRecord Begin(string name, string node) => DeviceRecord.Begin(records, ++_last, name, node);

    public bool TryMake(
        DeviceRecord record, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device,
        out string problem)
    {
        Assert.False(all.ContainsKey(record.Name), $"There are two devices {record.Name}.");
        var connection = new KernelConnection(daemon, deaths);
        connection.Queue(FuseOpcode.CuseInit, 0, KilledDaemon.Bytes(new CuseInitIn(7, 40, 0, 0)));
        all.Add(record.Name, connection);
        deaths.Step(_living);
        return TryServe(record, fileSystem, out device, out problem);
    }

    public bool TryAdopt(
        DeviceRecord record, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device,
        out string problem) => TryServe(record, fileSystem, out device, out problem);

    private bool TryServe(
        DeviceRecord record, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device,
        out string problem)
    {
        KernelConnection connection = all[record.Name];
        connection.Serve(
            fileSystem, records, record.Connection,
            log => new CharacterNegotiation(
                record.Name, new DeviceNumber(0, 7), KernelConnection.Room - 4096, log));
        device = new Device(record, connection, this);
        problem = "";
        return true;
    }

    private static List<DeviceRecord> FindEarlier(Dictionary<string, KernelConnection> all, RecordStore records)
    {
        List<DeviceRecord> found = DeviceRecord.Adopt(records);
        foreach (DeviceRecord ended in found.Where(record => !all.ContainsKey(record.Name)))
        {
            ended.Remove();
        }

        found.RemoveAll(record => !all.ContainsKey(record.Name));
        Assert.Equal(all.Keys.Order(), found.Select(record => record.Name).Order());
        FuseSession.ForgetOthers(records, one => one == 0 || found.Exists(record => record.Connection == one));
        return found;
    }

    private sealed class Device(DeviceRecord record, KernelConnection connection, KernelDevices kernel) : IMadeDevice
    {
        private readonly TaskCompletionSource _ending = new();

        public Task Ending => _ending.Task;

        public FuseTakenOver TakenOver => connection.TakenOver;

        public Errno SetAccess(DeviceAccess access) => Errno.None;

        public void Hide()
        {
        }

        public void LetGo()
        {
        }

        public void Dispose()
        {
            kernel.End(record.Name, connection);
            record.Remove();
        }
    }

    private void End(string name, KernelConnection connection)
    {
        all.Remove(name);
        connection.Close();
    }
}

/// <summary>Does what is to be done for devices when the test says so, on the test's thread.</summary>
internal sealed class DeviceWork : IDeviceThread
{
    private readonly Queue<Action> _work = new();
    private bool _isStarted;

    public void Add(Action work) => _work.Enqueue(work);

    public void Start(params Action[] first)
    {
        if (!_isStarted)
        {
            _isStarted = true;
            Array.ForEach(first, work => work());
        }
    }

    public bool AwaitIdle(TimeSpan limit)
    {
        Do();
        return true;
    }

    public bool Stop(Action last, TimeSpan limit) => true;

    /// <summary>Does all that is to be done.</summary>
    public void Do()
    {
        while (_work.TryDequeue(out Action? work))
        {
            work();
        }
    }
}
