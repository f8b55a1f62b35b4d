using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse.Mount;

/// <summary>Mounts and unmounts: by system calls, or by fusermount3.</summary>
internal interface IMounter
{
    /// <summary>Mounts on a directory that is ready for it, and gives the connection's descriptor.</summary>
    bool TryMount(
        string mountPoint, FuseMountOptions options, [NotNullWhen(true)] out SafeFileHandle? device,
        out string problem);

    /// <summary>Takes the topmost layer off, at once even when it is in use.</summary>
    bool TryUnmount(string mountPoint, out string problem);
}
