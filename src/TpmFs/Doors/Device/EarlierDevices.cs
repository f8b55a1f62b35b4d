using Microsoft.Win32.SafeHandles;
using Serilog;
using TpmFs.Fuse.Character;
using TpmFs.Fuse.Session;
using TpmFs.HandOver;
using TpmFs.Logs;
using TpmFs.Records;

namespace TpmFs.Doors.Device;

/// <summary>
/// The devices that an earlier daemon has made: for each the record and the descriptor of its connection. The devices'
/// thread takes the descriptors.
/// </summary>
internal sealed class EarlierDevices
{
    private readonly RecordStore? _store;
    private readonly KeptDescriptors _kept;
    private readonly Dictionary<string, SafeFileHandle> _connections;
    private readonly List<DeviceRecord> _records = [];

    /// <param name="store">The records that an earlier daemon may have left; null where there was none.</param>
    /// <param name="succession">Has the descriptors.</param>
    /// <param name="log">Takes the messages for people.</param>
    public EarlierDevices(RecordStore? store, Succession succession, ILogger log)
    {
        _store = store;
        _kept = succession.Kept;
        _connections = succession.Inherited.TakeAll(Succession.OfDevice);
        foreach ((string name, SafeFileHandle connection) in _connections)
        {
            // Without memory for its requests a device is not kept, as the mount is not.
            if (store is not null)
            {
                _kept.KeepOn(KeptNameOf(name), connection);
            }
        }

        FindRecords();
        if (store is not null)
        {
            uint highest = FuseSession.ForgetOthers(
                store, one => one == 0 || _records.Exists(record => record.Connection == one));
            LastConnection = Math.Max(LastConnection, highest);
        }

        FindUnwritten(log);
    }

    /// <summary>Gets the records of the devices, each with another name.</summary>
    public IReadOnlyList<DeviceRecord> Records => _records;

    /// <summary>Gets the highest number of a connection.</summary>
    public uint LastConnection { get; private set; }

    /// <summary>Returns the name under which a device's connection is kept.</summary>
    public static string KeptNameOf(string device) => Succession.OfDevice + device;

    /// <summary>Hands out a device's connection, once.</summary>
    public SafeFileHandle Take(DeviceRecord record)
    {
        _connections.Remove(record.Name, out SafeFileHandle? connection);
        return connection!;
    }

    /// <summary>Removes the records of devices whose connection is gone; the youngest record of a name stays.</summary>
    private void FindRecords()
    {
        List<DeviceRecord> all = _store is null ? [] : DeviceRecord.Adopt(_store);
        foreach (DeviceRecord record in all.OrderByDescending(record => record.Connection))
        {
            LastConnection = Math.Max(LastConnection, record.Connection);
            if (_connections.ContainsKey(record.Name) && !_records.Exists(one => one.Name == record.Name))
            {
                _records.Add(record);
            }
            else
            {
                record.Remove();
            }
        }
    }

    /// <summary>Begins records of devices that have none which can be read.</summary>
    private void FindUnwritten(ILogger log)
    {
        foreach ((string name, SafeFileHandle connection) in _connections.ToArray())
        {
            if (_records.Exists(record => record.Name == name))
            {
                continue;
            }

            log.Of(EventType.NotTakenOver).Warning(
                "what the openers of {Path} have open is not taken over, and they get \"No such device\": what the "
                    + "daemon before kept of it cannot be used", OutsideText.Line(DeviceName.PathOf(name)));
            if (DeviceName.IsValid(name))
            {
                _records.Add(DeviceRecord.Begin(_store, ++LastConnection, name, node: "", isYounger: true));
            }
            else
            {
                _connections.Remove(name);
                _kept.Drop(KeptNameOf(name));
                connection.Dispose();
            }
        }
    }
}
