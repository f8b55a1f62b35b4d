using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>Takes replies and notifications: the device, or a test's list. Any thread.</summary>
internal interface IFuseOutput
{
    /// <summary>
    /// Writes header and body as one message. ENOENT: the kernel does not wait for it. ENODEV: the connection is gone.
    /// </summary>
    Errno Write(in FuseOutHeader header, ReadOnlySpan<byte> body);
}
