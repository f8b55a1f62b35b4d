using Microsoft.Win32.SafeHandles;
using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Character;

/// <summary>Describes a device that is wanted.</summary>
/// <param name="Name">See <see cref="DeviceName"/>.</param>
/// <param name="FileSystem">Is asked for what clients do.</param>
/// <param name="Options">How the device is served.</param>
public sealed record DevicePlan(string Name, FuseFileSystem FileSystem, FuseSessionOptions Options)
{
    /// <summary>
    /// Gets what keeps the connection for another process, which is to go on with the device; null where none is.
    /// </summary>
    public Action<SafeFileHandle>? Keep { get; init; }

    /// <summary>
    /// Gets what ends that, before the connection is closed: a device lives as long as any duplicate of its connection.
    /// </summary>
    public Action? Drop { get; init; }

    /// <summary>True when the device's file may have been removed, so that no process finds the device.</summary>
    public bool IsHidden { get; init; }
}
