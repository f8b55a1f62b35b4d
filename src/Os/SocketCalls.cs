using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>System calls on sockets.</summary>
public static unsafe class SocketCalls
{
    private const int AddressFamilyUnix = 1;
    private const int SocketStream = 1;
    private const int SocketLevel = 1;
    private const int SendBuffer = 7; // SO_SNDBUF
    private const int OutOfBandInline = 10; // SO_OOBINLINE
    private const int PassRights = 83; // SO_PASSRIGHTS, of Linux 6.16
    private const int ScmRights = 1;
    private const int SetStatusFlags = 4; // F_SETFL
    private const nuint OutputQueue = 0x5411; // SIOCOUTQ
    private const int BothDirections = 2; // SHUT_RDWR
    private const int ScratchSize = 4096;
    private const int MessagePeek = 2;
    private const int MessageControlTruncated = 8;
    private const int MessageDontWait = 0x40;
    private const int MessageNoSignal = 0x4000;
    private const int MessageCloseOnExec = 0x4000_0000;

    /// <summary>Makes two connected Unix stream sockets, closed on exec.</summary>
    public static Errno Pair(out SafeFileHandle ours, out SafeFileHandle theirs)
    {
        int* pair = stackalloc int[2] { -1, -1 };
        var error = Errno.Of(LibC.socketpair(AddressFamilyUnix, SocketStream | OpenOptions.CloseOnExec, 0, pair));
        ours = new SafeFileHandle(pair[0], ownsHandle: true);
        theirs = new SafeFileHandle(pair[1], ownsHandle: true);
        return error;
    }

    /// <summary>Sets whether calls on a socket wait.</summary>
    public static Errno SetBlocking(SafeHandle socket, bool blocking) =>
        Errno.Of(LibC.fcntl(socket, SetStatusFlags, blocking ? 0 : OpenOptions.NonBlock));

    /// <summary>Bounds the bytes that a socket keeps for a peer that does not read: to about twice this size.</summary>
    public static Errno LimitUnread(SafeHandle socket, int size) =>
        SetOption(socket, SendBuffer, size);

    /// <summary>
    /// Has the kernel refuse the descriptors that the peer of a Unix socket sends (EPERM, for the peer). Returns
    /// ENOPROTOOPT where the kernel cannot: before Linux 6.16.
    /// </summary>
    public static Errno RefuseDescriptors(SafeHandle socket) => SetOption(socket, PassRights, 0);

    /// <summary>
    /// Has a byte that was sent out of band received in its place. Otherwise the kernel drops it, and a descriptor that
    /// came with it, in a thread that receives.
    /// </summary>
    public static Errno ShowOutOfBand(SafeHandle socket) => SetOption(socket, OutOfBandInline, 1);

    /// <summary>
    /// Closes a connected Unix socket, unless the peer sent descriptors that are still in it: the kernel closes these
    /// with the socket, and that may wait for as long as the peer likes. Such a socket is shut down, and stays open for
    /// as long as this process lives, also if it executes another program. A process that ends does not wait.
    /// </summary>
    /// <returns>False when the socket stays open.</returns>
    public static bool TryClose(SafeHandle socket)
    {
        _ = LibC.shutdown(socket, BothDirections);
        Span<byte> scratch = stackalloc byte[ScratchSize];
        int count;
        Errno error;
        do
        {
            error = ReceiveBytes(socket, scratch, out count);
        }
        while (count > 0 || error == Errno.EINTR);

        scratch.Clear();
        if (error != Errno.EPROTO)
        {
            socket.Dispose();
            return true;
        }

        _ = FileCalls.SetInheritable(socket, inheritable: true);
        socket.SetHandleAsInvalid();
        return false;
    }

    /// <summary>
    /// Sends as many bytes as there is room for, on a connected socket. EINTR is left to the caller; EAGAIN comes after
    /// the socket's SO_SNDTIMEO.
    /// </summary>
    public static Errno Send(SafeHandle socket, ReadOnlySpan<byte> data, out int count)
    {
        nint result;
        fixed (byte* start = data)
        {
            result = LibC.send(socket, start, (nuint)data.Length, MessageNoSignal);
        }

        count = (int)Math.Max(result, 0);
        return Errno.Of(result);
    }

    /// <summary>
    /// Receives the bytes that are there: at least one, or none at the stream's end. EINTR is left to the caller;
    /// EAGAIN comes after the socket's SO_RCVTIMEO.
    /// </summary>
    public static Errno Receive(SafeHandle socket, Span<byte> buffer, out int count)
    {
        nint result;
        fixed (byte* start = buffer)
        {
            result = LibC.recv(socket, start, (nuint)buffer.Length, 0);
        }

        count = (int)Math.Max(result, 0);
        return Errno.Of(result);
    }

    /// <summary>
    /// Receives bytes as <see cref="Receive"/> does. Returns EPROTO and receives nothing where the peer sent a
    /// descriptor with one of the bytes (SCM_RIGHTS). The kernel closes descriptors that nobody takes in the thread
    /// that receives, and that may wait for as long as the peer likes. For one thread at a time.
    /// </summary>
    public static Errno ReceiveBytes(SafeHandle socket, Span<byte> buffer, out int count)
    {
        count = 0;
        fixed (byte* start = buffer)
        {
            var vector = new LibC.IoVec(start, (nuint)buffer.Length);
            var message = new LibC.MessageHeader { Vector = &vector, VectorLength = 1 };
            nint peeked = LibC.recvmsg(socket, &message, MessagePeek);
            return peeked <= 0 ? Errno.Of(peeked)
                : (message.Flags & MessageControlTruncated) != 0 ? Errno.EPROTO
                : Receive(socket, buffer[..(int)peeked], out count);
        }
    }

    /// <summary>
    /// True when a receive would have to wait: nothing is there, and the stream has not ended. True also for a socket
    /// that fails; a send meets that error.
    /// </summary>
    public static bool IsQuiet(SafeHandle socket)
    {
        byte first;
        return LibC.recv_now(socket, &first, 1, MessagePeek | MessageDontWait) < 0;
    }

    /// <summary>
    /// True when the other side has read all that was sent on a Unix socket, by whichever process: no memory is charged
    /// for it any more (SIOCOUTQ, unix(7)).
    /// </summary>
    public static bool IsAllRead(SafeHandle socket)
    {
        int charged = 0;
        return LibC.ioctl(socket, OutputQueue, &charged) == 0 && charged == 0;
    }

    /// <summary>
    /// Receives one descriptor (SCM_RIGHTS). Does not wait: returns EAGAIN or ENODATA when none was sent.
    /// </summary>
    public static Errno ReceiveDescriptor(SafeFileHandle socket, out SafeFileHandle? received)
    {
        received = null;
        byte data;
        var vector = new LibC.IoVec(&data, 1);
        var control = new LibC.ControlMessage();
        var message = new LibC.MessageHeader
        {
            Vector = &vector,
            VectorLength = 1,
            Control = &control,
            ControlLength = (nuint)sizeof(LibC.ControlMessage),
        };
        nint result;
        do
        {
            result = LibC.recvmsg(socket, &message, MessageCloseOnExec | MessageDontWait);
        }
        while (result < 0 && Errno.Last == Errno.EINTR);

        if (result < 0)
        {
            return Errno.Last;
        }

        bool isDescriptor = message.ControlLength >= LibC.ControlMessage.MeaningfulLength
            && control.Level == SocketLevel
            && control.Type == ScmRights;
        if (!isDescriptor)
        {
            return Errno.ENODATA;
        }

        received = new SafeFileHandle(control.Descriptor, ownsHandle: true);
        return Errno.None;
    }

    private static Errno SetOption(SafeHandle socket, int option, int value) =>
        Errno.Of(LibC.setsockopt(socket, SocketLevel, option, &value, sizeof(int)));
}
