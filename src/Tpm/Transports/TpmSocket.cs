using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Tpm.Transports;

/// <summary>The result of a wait on a socket.</summary>
internal enum IoStatus
{
    Ok,
    Closed,
    TimedOut,
}

/// <summary>
/// A stream socket on which every wait has a deadline. It stays in blocking mode, with SO_RCVTIMEO and SO_SNDTIMEO, so
/// that an exchange costs one send(2) and one recv(2). Those are called directly: <see cref="Socket"/>'s methods cost a
/// third of a microsecond more. Not thread-safe.
/// </summary>
internal sealed class TpmSocket(Socket socket) : IDisposable
{
    private const string NoSocket = "there is no such socket. Is swtpm running?";
    private const string NotInTime = "it did not accept in time: it hangs, or serves another client";

    private int _receiveTimeout;
    private int _sendTimeout;

    /// <summary>Gets the descriptor that keeps the connection open.</summary>
    public SafeHandle Descriptor => socket.SafeHandle;

    /// <summary>Gets the number of bytes that can be received without waiting.</summary>
    public int Available => socket.Available;

    /// <summary>Reads what can be received without waiting, and leaves it there.</summary>
    public int Peek(Span<byte> bytes) => Available == 0 ? 0 : socket.Receive(bytes, SocketFlags.Peek);

    /// <summary>Goes on with a connection that another process made.</summary>
    public static TpmSocket Adopt(SafeHandle connection)
    {
        nint number = connection.DangerousGetHandle();
        connection.SetHandleAsInvalid();
        return new TpmSocket(new Socket(new SafeSocketHandle(number, ownsHandle: true)));
    }

    /// <summary>Connects to a Unix or an IP endpoint. Of an IP endpoint every address is tried.</summary>
    public static bool TryConnect(EndPoint endpoint, Deadline deadline, out TpmSocket? connected, out string problem)
    {
        connected = null;
        Socket? socket = null;
        try
        {
            if (endpoint is UnixDomainSocketEndPoint named)
            {
                if (!SafePath.TryOpenSocket(
                    named.ToString(), out SafeFileHandle place, out Errno error, out problem))
                {
                    problem = error == Errno.ENOENT ? NoSocket : problem;
                    return false;
                }

                using SafeFileHandle held = place;
                socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                var candidate = new TpmSocket(socket);

                // connect(2) waits for a place in the backlog until the send timeout.
                if (!candidate.TrySetSendTimeout(deadline))
                {
                    socket.Dispose();
                    problem = NotInTime;
                    return false;
                }

                socket.Connect(new UnixDomainSocketEndPoint(FileCalls.PathOf(place)));
                connected = candidate;
            }
            else
            {
                socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                using var patience = new CancellationTokenSource(deadline.Remaining);
                socket.ConnectAsync(endpoint, patience.Token).AsTask().GetAwaiter().GetResult();
                _ = SocketCalls.SetBlocking(socket.SafeHandle, blocking: true); // .NET has left it in the other mode
                connected = new TpmSocket(socket);
            }

            problem = string.Empty;
            return true;
        }
        catch (SocketException failure)
        {
            socket?.Dispose();
            problem = failure.SocketErrorCode switch
            {
                SocketError.WouldBlock or SocketError.TimedOut => NotInTime,
                SocketError.ConnectionRefused => "nobody listens there. Is swtpm running?",
                _ => failure.Message,
            };
            return false;
        }
        catch (OperationCanceledException)
        {
            socket?.Dispose();
            problem = NotInTime;
            return false;
        }
    }

    /// <summary>True when the other side has neither sent a byte that waits nor closed the connection.</summary>
    public bool IsQuiet => SocketCalls.IsQuiet(socket.SafeHandle);

    /// <summary>
    /// Waits until the other side closes the connection in order. Returns false when it does not in time, or sends
    /// bytes.
    /// </summary>
    public bool EndsWithin(TimeSpan time) =>
        socket.Poll((int)time.TotalMicroseconds, SelectMode.SelectRead) && socket.Available == 0;

    /// <summary>
    /// Waits until the other side has read all that was sent on this Unix socket. Nobody signals that, so it looks
    /// every millisecond. Returns false when the deadline passes before.
    /// </summary>
    public bool AwaitRead(Deadline deadline)
    {
        bool isRead = SocketCalls.IsAllRead(socket.SafeHandle);
        while (!isRead && !deadline.Passed)
        {
            Thread.Sleep(1);
            isRead = SocketCalls.IsAllRead(socket.SafeHandle);
        }

        return isRead;
    }

    public IoStatus SendAll(ReadOnlySpan<byte> data, Deadline deadline)
    {
        while (!data.IsEmpty)
        {
            if (!TrySetSendTimeout(deadline))
            {
                return IoStatus.TimedOut;
            }

            Errno error = SocketCalls.Send(socket.SafeHandle, data, out int sent);
            if (!error.IsError)
            {
                data = data[sent..];
            }
            else if (StatusOf(error) is { } failure)
            {
                return failure;
            }
        }

        return IoStatus.Ok;
    }

    /// <summary>Receives at least one byte.</summary>
    public IoStatus Receive(Span<byte> buffer, Deadline deadline, out int count)
    {
        count = 0;
        while (TrySetReceiveTimeout(deadline))
        {
            Errno error = SocketCalls.Receive(socket.SafeHandle, buffer, out count);
            if (!error.IsError)
            {
                return count == 0 ? IoStatus.Closed : IoStatus.Ok;
            }

            if (StatusOf(error) is { } failure)
            {
                return failure;
            }
        }

        return IoStatus.TimedOut;
    }

    public IoStatus ReceiveExactly(Span<byte> buffer, Deadline deadline)
    {
        while (!buffer.IsEmpty)
        {
            IoStatus status = Receive(buffer, deadline, out int count);
            if (status != IoStatus.Ok)
            {
                return status;
            }

            buffer = buffer[count..];
        }

        return IoStatus.Ok;
    }

    public void Dispose() => socket.Dispose();

    /// <summary>
    /// Returns what became of a call that failed; null when a signal interrupted it, and it has to be made again.
    /// </summary>
    private static IoStatus? StatusOf(Errno error) =>
        error == Errno.EINTR ? null : error == Errno.EAGAIN ? IoStatus.TimedOut : IoStatus.Closed;

    /// <summary>Sets the socket's timeout. Returns false when the deadline has passed.</summary>
    private bool TrySetSendTimeout(Deadline deadline)
    {
        int timeout = deadline.SocketTimeout;
        if (timeout > 0 && timeout != _sendTimeout)
        {
            socket.SendTimeout = _sendTimeout = timeout;
        }

        return timeout > 0;
    }

    /// <inheritdoc cref="TrySetSendTimeout"/>
    private bool TrySetReceiveTimeout(Deadline deadline)
    {
        int timeout = deadline.SocketTimeout;
        if (timeout > 0 && timeout != _receiveTimeout)
        {
            socket.ReceiveTimeout = _receiveTimeout = timeout;
        }

        return timeout > 0;
    }
}
