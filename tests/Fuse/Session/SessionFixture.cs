using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>
/// A session with its threads. In the kernel's place is a socket that keeps messages apart: what the test sends are
/// requests, and what it receives are answers.
/// </summary>
internal sealed class SessionFixture : IDisposable
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly Socket _kernel;
    private readonly Socket _device;

    public SessionFixture()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("fuse-tests-").FullName, "socket");
        using Socket listener = NewSocket();
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        _kernel = NewSocket();
        _kernel.ReceiveTimeout = (int)Deadline.TotalMilliseconds;
        _kernel.Connect(new UnixDomainSocketEndPoint(path));
        _device = listener.Accept();
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    public RecordingFileSystem FileSystem { get; } = new();

    /// <summary>Gets the session's log. It is the only part of this fixture that it uses.</summary>
    public DispatcherFixture Log { get; } = new(new RecordingFileSystem());

    /// <summary>Holds the handlers that a test gives to <see cref="FileSystem"/>.</summary>
    public HandlerGate Gate { get; } = new();

    /// <summary>Makes the request of a client that writes four bytes.</summary>
    public static byte[] Write(ulong unique, ulong open = 7) => DispatcherFixture.Request(
        FuseOpcode.Write, unique,
        [.. DispatcherFixture.Bytes(new FuseWriteIn(open, 0, 4, 0, 0, 0x8002, 0)), 1, 2, 3, 4]);

    /// <summary>Makes a session that is not started yet.</summary>
    public FuseSession Session(FuseSessionOptions? options = null)
    {
        var device = new SafeFileHandle(_device.Handle, ownsHandle: false);
        options ??= new FuseSessionOptions();
        return new FuseSession(device, FileSystem, options, new FuseNegotiation(options, Log), Log);
    }

    /// <summary>Starts a session, with the requests that are there already.</summary>
    public FuseSession StartedSession(FuseSessionOptions? options = null)
    {
        FuseSession session = Session(options);
        session.Start();
        return session;
    }

    /// <summary>Starts a session that has answered INIT.</summary>
    public FuseSession ServingSession(FuseSessionOptions? options = null)
    {
        FuseSession session = StartedSession(options);
        Initialise();
        return session;
    }

    public void Initialise()
    {
        Send(Captured.Init);
        Assert.Equal(Errno.None, Answer().Error);
    }

    public void Send(ReadOnlySpan<byte> request) => _kernel.Send(request);

    /// <summary>Sends INIT, and a write to each of the open files; the writes are numbered as the files are.</summary>
    public void SendInitAndWrites(params ReadOnlySpan<ulong> opens)
    {
        Send(Captured.Init);
        foreach (ulong open in opens)
        {
            Send(Write(open, open));
        }
    }

    /// <summary>Receives the next answer, or notification, whose <c>Unique</c> is 0.</summary>
    public (Errno Error, ulong Unique) Answer()
    {
        byte[] buffer = new byte[4096];
        int length = _kernel.Receive(buffer);
        FuseOutHeader header = MemoryMarshal.Read<FuseOutHeader>(buffer.AsSpan(0, length));
        return (new Errno(-header.Error), header.Unique);
    }

    public void Dispose()
    {
        _kernel.Dispose();
        _device.Dispose();
        Gate.Dispose();
    }

    private static Socket NewSocket() =>
        new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
}
