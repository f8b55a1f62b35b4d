using System.Diagnostics.CodeAnalysis;
using Serilog;
using TpmFs.Fuse;
using TpmFs.Fuse.Character;
using TpmFs.Fuse.Session;
using TpmFs.HandOver;
using TpmFs.Logs;
using TpmFs.Records;

namespace TpmFs.Doors.Device;

/// <summary>
/// Makes this process's devices through the kernel's module cuse, and keeps them for the next process.
/// </summary>
internal sealed class CuseMaker : IDeviceMaker
{
    private readonly FuseSessionOptions _options;
    private readonly KeptDescriptors _kept;
    private readonly IFuseLog _log;
    private readonly EarlierDevices _earlier;
    private readonly DeviceNumbers _numbers = new();
    private uint _lastConnection;

    /// <param name="options">
    /// Gives the options of each device's session, with the place where the next daemon finds what it needs to go on
    /// with the device.
    /// </param>
    /// <param name="succession">The records of the daemon before, and of this one.</param>
    /// <param name="log">Takes the messages for people.</param>
    public CuseMaker(FuseSessionOptions options, Succession succession, ILogger log)
    {
        _options = options;
        _kept = succession.Kept;
        _log = new FuseLog(log);
        _earlier = new EarlierDevices(options.Records, succession, log);
        _lastConnection = _earlier.LastConnection;
    }

    public IReadOnlyList<DeviceRecord> Earlier => _earlier.Records;

    public DeviceRecord Begin(string name, string node) =>
        DeviceRecord.Begin(_options.Records, ++_lastConnection, name, node);

    public bool TryMake(
        DeviceRecord record, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device,
        out string problem)
    {
        bool isMade = CharacterDevice.TryMake(
            PlanOf(record, fileSystem), _numbers, _log, out CharacterDevice? made, out problem);
        device = isMade ? new Made(made!, record) : null;
        return isMade;
    }

    public bool TryAdopt(
        DeviceRecord record, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device,
        out string problem)
    {
        bool isAdopted = CharacterDevice.TryAdopt(
            PlanOf(record, fileSystem), _earlier.Take(record), _numbers, _log, out CharacterDevice? made, out problem);
        device = isAdopted ? new Made(made!, record) : null;
        return isAdopted;
    }

    private DevicePlan PlanOf(DeviceRecord record, FuseFileSystem fileSystem)
    {
        string name = EarlierDevices.KeptNameOf(record.Name);
        bool isKept = _options.Records is not null;
        return new DevicePlan(
            record.Name, fileSystem, _options with { Connection = record.Connection, IsKept = record.IsYounger })
        {
            Keep = isKept ? connection => _kept.Keep(name, connection) : null,
            Drop = () => _kept.Drop(name),
            IsHidden = record.IsLeaving,
        };
    }

    private sealed class Made(CharacterDevice device, DeviceRecord record) : IMadeDevice
    {
        public Task Ending => device.Ending;

        public FuseTakenOver TakenOver => device.TakenOver;

        public Errno SetAccess(DeviceAccess access) => device.SetAccess(access);

        public void Hide() => device.Hide();

        public void LetGo() => device.LetGo();

        public void Dispose()
        {
            device.Dispose();
            record.Remove();
        }
    }
}
