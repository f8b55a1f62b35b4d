using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Tpm.Tests.Harness;

/// <summary>
/// A character device whose other side is the test: the terminal side of a pseudo-terminal that passes bytes as they
/// are.
/// </summary>
internal sealed unsafe partial class FakeDevice : IDisposable
{
    private const int ReadWriteNoTerminal = 0x2 | 0x100;
    private const int TermiosSize = 256; // more than a struct termios has
    private readonly FileStream _other;

    public FakeDevice()
    {
        int descriptor = Open(ReadWriteNoTerminal);
        Assert.True(descriptor >= 0
            && Grant(descriptor) == 0
            && Unlock(descriptor) == 0, "there is no pseudo-terminal to be had");
        byte* termios = stackalloc byte[TermiosSize];
        Assert.True(GetAttributes(descriptor, termios) == 0);
        MakeRaw(termios);
        Assert.True(SetAttributes(descriptor, 0, termios) == 0);
        Path = Marshal.PtrToStringUTF8(Name(descriptor))!;
        _other = new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.ReadWrite, bufferSize: 0);
    }

    public string Path { get; }

    /// <summary>Takes a command of a known size, in as many pieces as it comes.</summary>
    public byte[] ReceiveCommand(int size)
    {
        byte[] command = new byte[size];
        _other.ReadExactly(command);
        return command;
    }

    public void Send(ReadOnlySpan<byte> bytes) => _other.Write(bytes);

    /// <summary>The device goes away: what waits there gets EIO.</summary>
    public void Dispose() => _other.Dispose();

    [LibraryImport("libc", EntryPoint = "posix_openpt")]
    private static partial int Open(int flags);

    [LibraryImport("libc", EntryPoint = "grantpt")]
    private static partial int Grant(int descriptor);

    [LibraryImport("libc", EntryPoint = "unlockpt")]
    private static partial int Unlock(int descriptor);

    [LibraryImport("libc", EntryPoint = "ptsname")]
    private static partial nint Name(int descriptor);

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int GetAttributes(int descriptor, byte* termios);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int SetAttributes(int descriptor, int when, byte* termios);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw(byte* termios);
}
