using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TpmFs.Os;

namespace TpmFs.Tpm.Tests.Harness;

/// <summary>
/// Keeps what keeps a way to a TPM open, as a service manager does for a process that is killed, and does with it what
/// that process had begun.
/// </summary>
internal sealed partial class Keeper(ITpmTransport killed)
{
    private readonly IReadOnlyList<KeptDescriptor> _kept = killed.Kept;

    /// <summary>The descriptors for the next process.</summary>
    public IReadOnlyDictionary<string, SafeFileHandle> Hand() =>
        _kept.ToDictionary(kept => kept.Name, kept => Duplicate(kept.Descriptor));

    /// <summary>Sends bytes on a socket.</summary>
    public void Send(string name, byte[] bytes)
    {
        using SafeFileHandle descriptor = Duplicate(Find(name));
        Assert.False(SocketCalls.Send(descriptor, bytes, out int count).IsError);
        Assert.Equal(bytes.Length, count);
    }

    /// <summary>Waits until the other side of a socket has read all that was sent.</summary>
    public void AwaitRead(string name)
    {
        SafeHandle descriptor = Find(name);
        Assert.True(SpinWait.SpinUntil(() => SocketCalls.IsAllRead(descriptor), TpmClient.Patience));
    }

    /// <summary>Writes bytes to a device.</summary>
    public void Write(string name, byte[] bytes)
    {
        using SafeFileHandle descriptor = Duplicate(Find(name));
        Assert.False(FileCalls.Write(descriptor, bytes).IsError);
    }

    /// <summary>Receives bytes from a descriptor, and waits for them.</summary>
    public void Receive(string name, Span<byte> buffer)
    {
        using SafeFileHandle descriptor = Duplicate(Find(name));
        Assert.False(SocketCalls.Receive(descriptor, buffer, out int count).IsError);
        Assert.Equal(buffer.Length, count);
    }

    private SafeHandle Find(string name) => _kept.Single(kept => kept.Name == name).Descriptor;

    private static SafeFileHandle Duplicate(SafeHandle descriptor) =>
        new(Dup((int)descriptor.DangerousGetHandle()), ownsHandle: true);

    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int Dup(int descriptor);
}
