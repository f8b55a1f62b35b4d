using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Daemon.Tests.Doors.DBus;

/// <summary>
/// A descriptor whose last close waits for an hour: of a TCP socket with SO_LINGER, whose peer does not read.
/// </summary>
internal sealed unsafe partial class LingeringDescriptor : IDisposable
{
    private const int OutOfBand = 1; // MSG_OOB
    private const int SocketLevel = 1;
    private const int ScmRights = 1;

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Socket _reader;
    private readonly SafeFileHandle _lingering;

    public LingeringDescriptor()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        var writer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            LingerState = new LingerOption(true, (int)TimeSpan.FromHours(1).TotalSeconds),
        };
        writer.Connect(_listener.LocalEndPoint!);
        _reader = _listener.Accept();
        writer.Blocking = false;
        while (writer.Send(new byte[0x1_0000], SocketFlags.None, out SocketError error) > 0
            && error == SocketError.Success)
        {
        }

        // .NET shuts a socket down before it closes it; this is to be closed as it is.
        _lingering = new SafeFileHandle(writer.Handle, ownsHandle: true);
        writer.SafeHandle.SetHandleAsInvalid();
    }

    /// <summary>Sends the descriptor with one byte, for good.</summary>
    public Errno Send(SafeHandle socket, bool isOutOfBand)
    {
        byte data = 0x80;
        var vector = new Vector { Start = &data, Length = 1 };
        var control = new Control
        {
            Length = (nuint)(sizeof(nuint) + (3 * sizeof(int))),
            Level = SocketLevel,
            Type = ScmRights,
            Descriptor = (int)_lingering.DangerousGetHandle(),
        };
        var message = new Message
        {
            Vector = &vector,
            VectorLength = 1,
            Control = &control,
            ControlLength = (nuint)sizeof(Control),
        };
        nint sent = SendMessage((int)socket.DangerousGetHandle(), &message, isOutOfBand ? OutOfBand : 0);
        Errno error = sent < 0 ? Errno.Last : Errno.None;
        if (!error.IsError)
        {
            _lingering.Dispose();
        }

        return error;
    }

    /// <summary>Ends the wait of each close, too: the connection is reset.</summary>
    public void Dispose()
    {
        _reader.Close(0);
        _lingering.Dispose();
        _listener.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint SendMessage(int socket, Message* message, int flags);

    private struct Vector
    {
        public byte* Start;
        public nuint Length;
    }

    private struct Control
    {
        public nuint Length;
        public int Level;
        public int Type;
        public int Descriptor;
    }

    private struct Message
    {
        public void* Name;
        public uint NameLength;
        public Vector* Vector;
        public nuint VectorLength;
        public Control* Control;
        public nuint ControlLength;
        public int Flags;
    }
}
