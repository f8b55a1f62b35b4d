using Microsoft.Win32.SafeHandles;
using Serilog.Core;
using Serilog.Events;
using TpmFs.Doors.Device;
using TpmFs.Fuse.Session;
using TpmFs.HandOver;
using TpmFs.Mirror;
using TpmFs.Records;
using TpmFs.Systemd;

namespace TpmFs.Daemon.Tests.Doors.Device;

/// <summary>
/// Tests what a daemon makes of the descriptors and records that the daemon before left of its devices.
/// </summary>
[Collection("environment")]
public sealed class EarlierDevicesTests : IDisposable
{
    private readonly byte[] _memory = new byte[1 << 20];
    private readonly List<string> _warnings = [];
    private readonly Logger _log;
    private readonly RecordStore _before;
    private InheritedDescriptors? _inherited;

    public EarlierDevicesTests()
    {
        _before = RecordStore.Create(_memory, DoorRecords.Format);
        _log = new Serilog.LoggerConfiguration().WriteTo.Sink(new Sink(_warnings)).CreateLogger();
    }

    public void Dispose()
    {
        _inherited?.Dispose();
        _log.Dispose();
    }

    [Fact]
    public void A_device_with_its_record_goes_on_under_its_number()
    {
        DeviceRecord.Begin(_before, 3, "tpmfs/web", "domains/web/rm0").IsLeaving = true;
        (EarlierDevices earlier, _) = Find("device-tpmfs/web");

        DeviceRecord record = Assert.Single(earlier.Records);
        Assert.Equal((3u, "tpmfs/web", "domains/web/rm0"), (record.Connection, record.Name, record.Node));
        Assert.True(record.IsLeaving && !record.IsYounger);
        Assert.False(earlier.Take(record).IsClosed);
        Assert.Equal(3u, earlier.LastConnection);
        Assert.Empty(_warnings);
    }

    [Fact]
    public void A_record_without_a_descriptor_is_removed_and_its_number_is_not_used_again()
    {
        DeviceRecord.Begin(_before, 9, "tpmrmfs0", "rm0");
        new SessionRecords(_before, 9).Settle([1, 2, 3]);
        new SessionRecords(_before, 0).Settle([4]);
        (EarlierDevices earlier, RecordStore store) = Find();

        Assert.Empty(earlier.Records);
        Assert.Equal(9u, earlier.LastConnection);
        Assert.Equal([0ul], Reopen().Records.Select(record => record.Id));
    }

    [Fact]
    public void A_descriptor_without_a_record_is_a_device_of_whose_openers_nothing_is_known()
    {
        (EarlierDevices earlier, RecordStore store) = Find("device-tpmrmfs0");

        DeviceRecord record = Assert.Single(earlier.Records);
        Assert.True(record.IsYounger);
        Assert.Equal(("tpmrmfs0", "", 1u), (record.Name, record.Node, record.Connection));
        Assert.Contains("openers of \"/dev/tpmrmfs0\"", Assert.Single(_warnings), StringComparison.Ordinal);

        // The daemon after this one knows no more.
        Assert.True(Assert.Single(DeviceRecord.Adopt(Reopen())).IsYounger);
    }

    [Theory]
    [InlineData("device-")]
    [InlineData("device-../sda")]
    [InlineData("device-tpm web")]
    public void A_descriptor_whose_name_is_none_of_a_device_is_given_up(string name)
    {
        (EarlierDevices earlier, _) = Find(name);
        Assert.Empty(earlier.Records);
        Assert.Single(_warnings);
    }

    [Fact]
    public void Records_that_make_no_sense_are_no_devices()
    {
        DeviceRecord.Begin(_before, 0, "tpmrmfs0", "rm0"); // the mount's number
        DeviceRecord.Begin(_before, uint.MaxValue, "tpmrmfs0", "rm0");
        DeviceRecord.Begin(_before, 4, "../sda", "rm0");
        RecordArea.Reserve(_before, (byte)RecordKind.Device, 5, 64).Span.Fill(0xFF);
        RecordArea.Reserve(_before, (byte)RecordKind.Device, 6, 3);
        DeviceRecord.Begin(_before, 7, "tpmrmfs0", "rm0");
        DeviceRecord.Begin(_before, 8, "tpmrmfs0", "raw0");
        (EarlierDevices earlier, RecordStore store) = Find("device-tpmrmfs0");

        Assert.Equal(8u, Assert.Single(earlier.Records).Connection);
        Assert.Equal([8ul], Reopen().Records.Select(record => record.Id));
    }

    private (EarlierDevices Earlier, RecordStore Store) Find(params string[] names)
    {
        Environment.SetEnvironmentVariable(
            InheritedDescriptors.Variable, string.Join(':', names.Select(name => $"{name}={NewDescriptor()}")));
        _inherited = InheritedDescriptors.Receive();
        RecordStore store = Reopen();
        var kept = new KeptDescriptors(ServiceManager.Find(_log), _log);
        var succession = new Succession(
            ServiceManager.Find(_log), _inherited, kept, new Mirrors(_inherited, kept, _log), IsTakingOver: true);
        return (new EarlierDevices(store, succession, _log), store);
    }

    /// <summary>Goes on with a store as another process would.</summary>
    private RecordStore Reopen()
    {
        Assert.True(
            RecordStore.TryAdopt(_memory, DoorRecords.Format, out RecordStore? store, out string problem), problem);
        return store;
    }

    private static nint NewDescriptor()
    {
        Assert.False(SharedMemory.Create("test", 4096, out SharedMemory? memory).IsError);
        SafeFileHandle handle = memory!.Descriptor;
        nint number = handle.DangerousGetHandle();
        handle.SetHandleAsInvalid(); // The object under test closes it.
        return number;
    }

    private sealed class Sink(List<string> warnings) : ILogEventSink
    {
        public void Emit(LogEvent logEvent) => warnings.Add(logEvent.RenderMessage(null));
    }
}
