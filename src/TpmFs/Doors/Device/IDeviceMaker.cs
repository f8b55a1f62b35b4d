using System.Diagnostics.CodeAnalysis;
using TpmFs.Fuse;
using TpmFs.Fuse.Character;

namespace TpmFs.Doors.Device;

/// <summary>Makes character devices. One thread at a time.</summary>
internal interface IDeviceMaker
{
    /// <summary>Makes a device, which only root may open at first.</summary>
    /// <param name="name">See <see cref="DeviceName"/>.</param>
    /// <param name="fileSystem">Is asked for what clients do.</param>
    /// <param name="device">The device.</param>
    /// <param name="problem">What is wrong, where, and what to do.</param>
    bool TryMake(
        string name, FuseFileSystem fileSystem, [NotNullWhen(true)] out IMadeDevice? device, out string problem);
}

/// <summary>A character device; see <see cref="CharacterDevice"/>.</summary>
internal interface IMadeDevice : IDisposable
{
    /// <summary>Completes when the device has gone, or is about to go.</summary>
    Task Ending { get; }

    /// <summary>Sets who may open the device.</summary>
    Errno SetAccess(DeviceAccess access);

    /// <summary>Removes the device's file; what is open goes on being served.</summary>
    void Hide();
}
