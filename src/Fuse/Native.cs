using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse;

/// <summary>
/// The system calls of this library, all of them. A method returns the errno, or a value with it; EINTR is retried here but where it is said. Constants are
/// those of asm-generic (64-bit Linux), but where a machine's own are said.
/// </summary>
internal static unsafe partial class Native
{
    public const int OpenReadWrite = 0x2;
    public const int OpenCreate = 0x40;
    public const int OpenCloseOnExec = 0x80000;
    public const int OpenPath = 0x200000;

    public const ulong MountNoSuid = 0x2;
    public const ulong MountNoDev = 0x4;
    public const ulong MountNoExec = 0x8;

    public const int UnmountDetach = 0x2;
    public const int UnmountNoFollow = 0x8;

    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const int FcntlSetDescriptorFlags = 2;
    private const int DescriptorCloseOnExec = 1;
    private const int AddressFamilyUnix = 1;
    private const int SocketStream = 1;
    private const int SocketLevel = 1;
    private const int ScmRights = 1;
    private const int MessageCloseOnExec = 0x40000000;
    private const int MessageDontWait = 0x40;
    private const short PollIn = 0x1;
    private const int SignalUrgent = 23;

    /// <summary>Bytes, a power of 2 and no more than a page has; most replies are shorter.</summary>
    private const int OnePiece = 512;

    /// <summary>O_DIRECTORY, which arm and powerpc number in their own way (asm/fcntl.h), as O_NOFOLLOW.</summary>
    public static int OpenDirectory => HasOwnOpenFlags ? 0x4000 : 0x10000;

    public static int OpenNoFollow => HasOwnOpenFlags ? 0x8000 : 0x20000;

    public static uint EffectiveUserId => geteuid();

    public static uint EffectiveGroupId => getegid();

    public static Errno Open(string path, int flags, uint mode, out SafeFileHandle file)
    {
        int fd;
        do
        {
            fd = open(path, flags | OpenCloseOnExec, mode);
        }
        while (fd < 0 && LastError == Errno.EINTR);

        Errno error = fd < 0 ? LastError : Errno.None;
        file = new SafeFileHandle(fd, ownsHandle: true);
        return error;
    }

    /// <summary>Takes the whole file's lock for this open file description, or answers EAGAIN (EWOULDBLOCK) at once.</summary>
    public static Errno TryLock(SafeFileHandle file) => Result(flock(file, LockExclusive | LockNonBlocking));

    public static Errno Mount(string source, string target, string type, ulong flags, string data) =>
        Result(mount(source, target, type, flags, data));

    public static Errno Unmount(string target, int flags) => Result(umount2(target, flags));

    public static Errno MakeDirectory(string path, uint mode) => Result(mkdir(path, mode));

    public static Errno RemoveDirectory(string path) => Result(rmdir(path));

    /// <summary>Whether a program started from now on gets this descriptor.</summary>
    public static Errno SetInheritable(SafeFileHandle file, bool inheritable) =>
        Result(fcntl(file, FcntlSetDescriptorFlags, inheritable ? 0 : DescriptorCloseOnExec));

    /// <summary>Whether a read would not wait, as of now.</summary>
    public static bool IsReadable(SafeFileHandle file)
    {
        bool isHeld = false;
        try
        {
            file.DangerousAddRef(ref isHeld);
            var wanted = new PollDescriptor { Descriptor = (int)file.DangerousGetHandle(), Events = PollIn };
            return poll(&wanted, 1, timeout: 0) > 0;
        }
        finally
        {
            if (isHeld)
            {
                file.DangerousRelease();
            }
        }
    }

    /// <summary>Reads once: EINTR is the caller's, who may be meant to stop.</summary>
    public static Errno Read(SafeFileHandle file, Span<byte> buffer, out int count)
    {
        nint result;
        fixed (byte* start = buffer)
        {
            result = read(file, start, buffer.Length);
        }

        count = (int)Math.Max(result, 0);
        return result < 0 ? LastError : Errno.None;
    }

    /// <summary>
    /// Makes SIGURG end the system call in which a thread waits (EINTR), for the whole process. By default it does nothing, and nobody but
    /// who asked for urgent data on a socket is sent it. The handler must be code that may interrupt any other, which no managed
    /// method may: abs(3), for want of a function that does nothing.
    /// </summary>
    public static void LetUrgentSignalInterrupt()
    {
        _ = signal(SignalUrgent, NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "abs"));
        _ = siginterrupt(SignalUrgent, 1);
    }

    /// <summary>The calling thread, for <see cref="Interrupt"/>.</summary>
    public static nint CurrentThread => pthread_self();

    /// <summary>Sends SIGURG to a thread of this process that lives.</summary>
    public static void Interrupt(nint thread) => _ = pthread_kill(thread, SignalUrgent);

    /// <summary>
    /// Writes header and body at once. The kernel looks up the page of each piece that it copies from: a short body is put behind its
    /// header first, so that there is one piece.
    /// </summary>
    public static Errno Write(SafeFileHandle file, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body) =>
        header.Length + body.Length <= OnePiece ? WritePiece(file, header, body) : WriteVector(file, header, body);

    [SkipLocalsInit]
    private static Errno WritePiece(SafeFileHandle file, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body)
    {
        // Twice the room, to have one piece that does not lie across two pages.
        byte* room = stackalloc byte[2 * OnePiece];
        byte* piece = (byte*)(((nuint)room + OnePiece - 1) & ~((nuint)OnePiece - 1));
        header.CopyTo(new Span<byte>(piece, header.Length));
        body.CopyTo(new Span<byte>(piece + header.Length, body.Length));
        nint result;
        do
        {
            result = write(file, piece, header.Length + body.Length);
        }
        while (result < 0 && LastError == Errno.EINTR);

        // A response may be a secret.
        new Span<byte>(piece + header.Length, body.Length).Clear();
        return result < 0 ? LastError : Errno.None;
    }

    private static Errno WriteVector(SafeFileHandle file, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body)
    {
        nint result;
        fixed (byte* headerStart = header)
        fixed (byte* bodyStart = body)
        {
            IoVec* vector = stackalloc IoVec[2];
            vector[0] = new IoVec(headerStart, (nuint)header.Length);
            vector[1] = new IoVec(bodyStart, (nuint)body.Length);
            do
            {
                result = writev(file, vector, body.IsEmpty ? 1 : 2);
            }
            while (result < 0 && LastError == Errno.EINTR);
        }

        return result < 0 ? LastError : Errno.None;
    }

    /// <summary>Two connected sockets of the type that fusermount3 sends a descriptor through.</summary>
    public static Errno SocketPair(out SafeFileHandle ours, out SafeFileHandle theirs)
    {
        int* fds = stackalloc int[2] { -1, -1 };
        int result = socketpair(AddressFamilyUnix, SocketStream | OpenCloseOnExec, 0, fds);
        Errno error = Result(result);
        ours = new SafeFileHandle(fds[0], ownsHandle: true);
        theirs = new SafeFileHandle(fds[1], ownsHandle: true);
        return error;
    }

    /// <summary>Receives one descriptor (SCM_RIGHTS). Does not wait: EAGAIN or ENODATA when none was sent.</summary>
    public static Errno ReceiveDescriptor(SafeFileHandle socket, out SafeFileHandle? received)
    {
        received = null;
        byte data;
        var vector = new IoVec(&data, 1);
        var control = new ControlMessage();
        var message = new MessageHeader { Vector = &vector, VectorLength = 1, Control = &control, ControlLength = (nuint)sizeof(ControlMessage) };
        nint result;
        do
        {
            result = recvmsg(socket, &message, MessageCloseOnExec | MessageDontWait);
        }
        while (result < 0 && LastError == Errno.EINTR);

        if (result < 0)
        {
            return LastError;
        }

        bool isDescriptor = message.ControlLength >= ControlMessage.MeaningfulLength && control.Level == SocketLevel && control.Type == ScmRights;
        if (!isDescriptor)
        {
            return Errno.ENODATA;
        }

        received = new SafeFileHandle(control.Descriptor, ownsHandle: true);
        return Errno.None;
    }

    private static bool HasOwnOpenFlags =>
        RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 or Architecture.Ppc64le;

    private static Errno LastError => new(Marshal.GetLastPInvokeError());

    private static Errno Result(int result) => result < 0 ? LastError : Errno.None;

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct IoVec(void* start, nuint length)
    {
        private readonly void* _start = start;
        private readonly nuint _length = length;
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    /// <summary>struct msghdr of 64-bit Linux; the compiler pads after the lengths as C does.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MessageHeader
    {
        public void* Name;
        public uint NameLength;
        public IoVec* Vector;
        public nuint VectorLength;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    /// <summary>struct cmsghdr and one descriptor.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct ControlMessage
    {
        /// <summary>CMSG_LEN(sizeof(int)).</summary>
        public static nuint MeaningfulLength => (nuint)sizeof(nuint) + (3 * sizeof(int));

        public readonly nuint Length;
        public readonly int Level;
        public readonly int Type;
        public readonly int Descriptor;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(SafeFileHandle file, void* buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(SafeFileHandle file, void* buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint writev(SafeFileHandle file, IoVec* vector, int count);

    [LibraryImport("libc")]
    private static partial nint signal(int number, nint handler);

    [LibraryImport("libc")]
    private static partial int siginterrupt(int number, int interrupts);

    [LibraryImport("libc")]
    private static partial nint pthread_self();

    [LibraryImport("libc")]
    private static partial int pthread_kill(nint thread, int number);

    [LibraryImport("libc")]
    private static partial int poll(PollDescriptor* descriptors, nuint count, int timeout);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle file, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle file, int operation);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mount(string source, string target, string type, ulong flags, string data);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int umount2(string target, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkdir(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rmdir(string path);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, int* fds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvmsg(SafeFileHandle socket, MessageHeader* message, int flags);

    [LibraryImport("libc")]
    private static partial uint geteuid();

    [LibraryImport("libc")]
    private static partial uint getegid();
}
