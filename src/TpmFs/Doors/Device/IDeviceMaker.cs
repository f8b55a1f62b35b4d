using System.Diagnostics.CodeAnalysis;
using TpmFs.Fuse;
using TpmFs.Fuse.Character;
using TpmFs.Fuse.Session;

namespace TpmFs.Doors.Device;

/// <summary>Makes character devices, or goes on with those of an earlier daemon. One thread at a time.</summary>
internal interface IDeviceMaker
{
    /// <summary>Gets the devices that an earlier daemon has made, each with another name.</summary>
    IReadOnlyList<DeviceRecord> Earlier { get; }

    /// <summary>Writes down a device that is to be made.</summary>
    /// <param name="name">See <see cref="DeviceName"/>.</param>
    /// <param name="node">The place of the device's node in the tree.</param>
    DeviceRecord Begin(string name, string node);

    /// <summary>Makes a device, which only root may open at first.</summary>
    /// <param name="record">
    /// The device's record. It is removed when the device ends; where no device is made, the caller removes it.
    /// </param>
    /// <param name="fileSystem">The filesystem that answers the clients' requests.</param>
    /// <param name="device">The device.</param>
    /// <param name="problem">The error: its cause, its place, and the remedy.</param>
    bool TryMake(
        DeviceRecord record, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device,
        out string problem);

    /// <summary>
    /// Goes on with a device of an earlier daemon. A device with which this daemon cannot go on ends.
    /// </summary>
    /// <param name="record">One of <see cref="Earlier"/>; otherwise as for <see cref="TryMake"/>.</param>
    /// <param name="fileSystem">
    /// The filesystem that answers the clients' requests, and the requests that they had under way.
    /// </param>
    /// <param name="device">The device.</param>
    /// <param name="problem">The error: its cause, its place, and the remedy.</param>
    bool TryAdopt(
        DeviceRecord record, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device,
        out string problem);
}

/// <summary>A character device; see <see cref="CharacterDevice"/>. It ends when it is disposed of.</summary>
internal interface IMadeDevice : IDisposable
{
    /// <summary>Completes when the device has gone, or is about to go.</summary>
    Task Ending { get; }

    /// <summary>Gets the requests of an earlier daemon that were served again.</summary>
    FuseTakenOver TakenOver { get; }

    /// <summary>Sets who may open the device.</summary>
    Errno SetAccess(DeviceAccess access);

    /// <summary>Removes the device's file; open files go on being served.</summary>
    void Hide();

    /// <summary>Serves no further request, and leaves the device to the next daemon.</summary>
    void LetGo();
}
