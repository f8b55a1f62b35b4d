using Microsoft.Win32.SafeHandles;
using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Character;

/// <summary>Describes a device that is wanted.</summary>
/// <param name="Name">See <see cref="DeviceName"/>.</param>
/// <param name="FileSystem">The filesystem that answers the clients' requests.</param>
/// <param name="Options">The options of the session that serves the device.</param>
public sealed record DevicePlan(string Name, FuseFileSystem FileSystem, FuseSessionOptions Options)
{
    /// <summary>
    /// Gets the function that keeps the connection's descriptor for another process, which is to go on with the device;
    /// null where no process is to do so.
    /// </summary>
    public Action<SafeFileHandle>? Keep { get; init; }

    /// <summary>
    /// Gets the function that lets go of the kept descriptor, before the connection is closed: a device lives as long
    /// as any duplicate of its connection.
    /// </summary>
    public Action? Drop { get; init; }

    /// <summary>True when the device's file may have been removed, so that no process finds the device.</summary>
    public bool IsHidden { get; init; }
}
