using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse;

/// <summary>
/// The system calls of this library, all of them. A method returns the errno, or a value with it; EINTR is retried here. Constants are
/// those of asm-generic (64-bit Linux), but where a machine's own are said.
/// </summary>
internal static unsafe partial class Native
{
    public const int OpenReadWrite = 0x2;
    public const int OpenCreate = 0x40;
    public const int OpenNonBlocking = 0x800;
    public const int OpenCloseOnExec = 0x80000;
    public const int OpenPath = 0x200000;

    public const ulong MountNoSuid = 0x2;
    public const ulong MountNoDev = 0x4;
    public const ulong MountNoExec = 0x8;

    public const int UnmountDetach = 0x2;
    public const int UnmountNoFollow = 0x8;

    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const int EventFdFlags = OpenCloseOnExec | OpenNonBlocking;
    private const int FcntlGetFlags = 3;
    private const int FcntlSetFlags = 4;
    private const int FcntlSetDescriptorFlags = 2;
    private const int DescriptorCloseOnExec = 1;
    private const int EpollControlAdd = 1;
    private const uint EpollIn = 0x1;
    private const uint EpollExclusive = 1u << 28;
    private const int AddressFamilyUnix = 1;
    private const int SocketStream = 1;
    private const int SocketLevel = 1;
    private const int ScmRights = 1;
    private const int MessageCloseOnExec = 0x40000000;
    private const int MessageDontWait = 0x40;

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

        var error = fd < 0 ? LastError : Errno.None;
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

    public static Errno SetNonBlocking(SafeFileHandle file)
    {
        int flags = fcntl(file, FcntlGetFlags, 0);
        return flags < 0 ? LastError : Result(fcntl(file, FcntlSetFlags, flags | OpenNonBlocking));
    }

    /// <summary>Whether a program started from now on gets this descriptor.</summary>
    public static Errno SetInheritable(SafeFileHandle file, bool inheritable) =>
        Result(fcntl(file, FcntlSetDescriptorFlags, inheritable ? 0 : DescriptorCloseOnExec));

    public static Errno EventFd(out SafeFileHandle file)
    {
        int fd = eventfd(0, EventFdFlags);
        var error = fd < 0 ? LastError : Errno.None;
        file = new SafeFileHandle(fd, ownsHandle: true);
        return error;
    }

    /// <summary>Makes an eventfd readable, until it is read.</summary>
    public static Errno Signal(SafeFileHandle eventFd)
    {
        ulong one = 1;
        return Write(eventFd, &one, sizeof(ulong)) < 0 ? LastError : Errno.None;
    }

    public static Errno EpollCreate(out SafeFileHandle epoll)
    {
        int fd = epoll_create1(OpenCloseOnExec);
        var error = fd < 0 ? LastError : Errno.None;
        epoll = new SafeFileHandle(fd, ownsHandle: true);
        return error;
    }

    /// <summary>
    /// Makes <see cref="EpollWait"/> return while a descriptor is readable, or has an error. Of several epolls that have it
    /// exclusively, one in which a thread waits is woken, not each of them.
    /// </summary>
    public static Errno EpollAdd(SafeFileHandle epoll, SafeFileHandle file, bool exclusive)
    {
        var wanted = new EpollEvent { Events = EpollIn | (exclusive ? EpollExclusive : 0) };
        return Result(epoll_ctl(epoll, EpollControlAdd, file, &wanted));
    }

    public static Errno EpollWait(SafeFileHandle epoll)
    {
        EpollEvent happened;
        int result;
        do
        {
            result = epoll_wait(epoll, &happened, maxEvents: 1, timeout: -1);
        }
        while (result < 0 && LastError == Errno.EINTR);

        return Result(result);
    }

    public static Errno Read(SafeFileHandle file, Span<byte> buffer, out int count)
    {
        nint result;
        fixed (byte* start = buffer)
        {
            do
            {
                result = read(file, start, buffer.Length);
            }
            while (result < 0 && LastError == Errno.EINTR);
        }

        count = (int)Math.Max(result, 0);
        return result < 0 ? LastError : Errno.None;
    }

    public static Errno WriteVector(SafeFileHandle file, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body)
    {
        nint result;
        fixed (byte* headerStart = header)
        fixed (byte* bodyStart = body)
        {
            var vector = stackalloc IoVec[2];
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
        var fds = stackalloc int[2] { -1, -1 };
        int result = socketpair(AddressFamilyUnix, SocketStream | OpenCloseOnExec, 0, fds);
        var error = Result(result);
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

    private static nint Write(SafeFileHandle file, void* start, nint count)
    {
        nint result;
        do
        {
            result = write(file, start, count);
        }
        while (result < 0 && LastError == Errno.EINTR);

        return result;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct IoVec(void* start, nuint length)
    {
        private readonly void* _start = start;
        private readonly nuint _length = length;
    }

    /// <summary>
    /// struct epoll_event: 12 bytes on x86-64, 16 elsewhere. The larger serves both, one event at a time, since the number that
    /// follows the bits is not used.
    /// </summary>
    [StructLayout(LayoutKind.Sequential, Size = 16)]
    private struct EpollEvent
    {
        public uint Events;
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

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_ctl(SafeFileHandle epoll, int operation, SafeFileHandle file, EpollEvent* wanted);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(SafeFileHandle epoll, EpollEvent* happened, int maxEvents, int timeout);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int eventfd(uint value, int flags);

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
