using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using TpmFs.Doors.Device;
using TpmFs.Fuse;
using TpmFs.Fuse.Character;
using TpmFs.Fuse.Session;

namespace TpmFs.Daemon.Tests.Doors.Device;

/// <summary>Stands for the kernel: makes devices that the test opens as the kernel asks.</summary>
internal sealed class FakeDeviceMaker : IDeviceMaker
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);
    private readonly ConcurrentDictionary<string, FakeDevice> _devices = new();
    private readonly object _change = new();
    private uint _connections;

    /// <summary>Gets or sets the reason why devices cannot be made; empty where they can.</summary>
    public string Problem { get; set; } = "";

    public IReadOnlyList<DeviceRecord> Earlier => [];

    public DeviceRecord Begin(string name, string node) => DeviceRecord.Begin(null, ++_connections, name, node);

    public bool TryAdopt(
        DeviceRecord record, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device,
        out string problem) => throw new NotSupportedException("There was no daemon before.");

    public bool TryMake(
        DeviceRecord record, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device,
        out string problem)
    {
        string name = record.Name;
        problem = Problem.Length > 0 ? Problem : _devices.ContainsKey(name) ? "it is there already" : "";
        device = null;
        if (problem.Length > 0)
        {
            return false;
        }

        var made = new FakeDevice(fileSystem, Ring, one => _devices.TryRemove(new(name, one)));
        fileSystem.Started(made.Notifier);
        _devices[name] = made;
        device = made;
        Ring();
        return true;
    }

    /// <summary>The device with a name; null when there is none.</summary>
    public FakeDevice? Find(string name) => _devices.GetValueOrDefault(name);

    /// <summary>Waits until something holds, which only the devices' thread and clients change.</summary>
    public void Await(Func<bool> condition, string what)
    {
        DateTime end = DateTime.UtcNow + s_deadline;
        lock (_change)
        {
            while (!condition())
            {
                Assert.True(DateTime.UtcNow < end, what);
                Monitor.Wait(_change, TimeSpan.FromMilliseconds(20)); // not all changes ring
            }
        }
    }

    public FakeDevice Await(string name)
    {
        Await(() => Find(name) is not null, $"no device {name}");
        return Find(name)!;
    }

    private void Ring()
    {
        lock (_change)
        {
            Monitor.PulseAll(_change);
        }
    }
}

internal sealed class FakeDevice(FuseFileSystem fileSystem, Action ring, Action<FakeDevice> gone) : IMadeDevice
{
    private readonly TaskCompletionSource _ending = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public FuseFileSystem FileSystem => fileSystem;

    public Fakes.FakeNotifier Notifier { get; } = new();

    public DeviceAccess Access { get; private set; } = DeviceAccess.OfNew;

    public bool IsHidden { get; private set; }

    /// <summary>Gets or sets the result of the next change of the access.</summary>
    public Errno Refusal { get; set; }

    public Task Ending => _ending.Task;

    public FuseTakenOver TakenOver => default;

    /// <summary>True when the device is left to the next daemon.</summary>
    public bool IsLetGo { get; private set; }

    public Errno SetAccess(DeviceAccess access)
    {
        Access = Refusal.IsError ? Access : access;
        return Refusal;
    }

    public void Hide()
    {
        IsHidden = true;
        ring();
    }

    public void LetGo() => IsLetGo = true;

    /// <summary>The kernel ends the connection.</summary>
    public void Abort()
    {
        fileSystem.Stopped();
        gone(this);
        _ending.SetResult();
    }

    public void Dispose()
    {
        gone(this);
        fileSystem.Stopped();
        _ending.TrySetResult();
        ring();
    }
}
