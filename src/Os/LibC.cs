using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>
/// Imports the C library's functions, under their own names, and the structs that they take. No other file of the
/// program imports any. Structs are those of 64-bit Linux.
/// </summary>
internal static unsafe partial class LibC
{
    private const string Library = "libc";

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int open(string path, int flags, uint mode);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint read(int file, void* buffer, nint count);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int close(int file);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int openat(SafeFileHandle directory, string path, int flags, uint mode);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int openat(SafeFileHandle directory, byte* path, int flags, uint mode);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint readlinkat(SafeFileHandle directory, string path, byte* target, nuint size);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint read(SafeFileHandle file, void* buffer, nint count);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint write(SafeFileHandle file, void* buffer, nint count);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint writev(SafeFileHandle file, IoVec* vector, int count);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int eventfd(uint value, int flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int poll(PollDescriptor* descriptors, nuint count, int timeout);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int fcntl(SafeHandle file, int command, int argument);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int flock(SafeFileHandle file, int operation);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int fsync(SafeFileHandle file);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int statx(SafeFileHandle directory, string path, int flags, uint mask, FileStatus* status);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int fchownat(SafeFileHandle directory, string path, uint owner, uint group, int flags);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int chmod(string path, uint mode);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int setxattr(string path, string name, byte* value, nuint size, int flags);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint getxattr(string path, string name, byte* value, nuint size);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int removexattr(string path, string name);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int unlink(string path);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int fstatfs(SafeFileHandle file, byte* status);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int mkdir(string path, uint mode);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int mkdirat(SafeFileHandle directory, string path, uint mode);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int unlinkat(SafeFileHandle directory, string path, int flags);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int renameat(
        SafeFileHandle fromDirectory, string from, SafeFileHandle toDirectory, string to);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int faccessat(SafeFileHandle directory, string path, int mode, int flags);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int rmdir(string path);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint opendir(string path);

    [LibraryImport(Library)]
    public static partial nint fdopendir(nint directory);

    [LibraryImport(Library)]
    public static partial byte* readdir64(nint stream);

    [LibraryImport(Library)]
    public static partial int closedir(nint stream);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint getdents64(int directory, void* entries, nint size);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int mount(string source, string target, string type, ulong flags, string data);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int umount2(string target, int flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int socketpair(int domain, int type, int protocol, int* pair);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int setsockopt(SafeHandle socket, int level, int option, int* value, uint size);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int epoll_create1(int flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int epoll_ctl(SafeFileHandle epoll, int operation, SafeHandle file, byte* epollEvent);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int epoll_wait(SafeFileHandle epoll, byte* events, int count, int timeout);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint recvmsg(SafeHandle socket, MessageHeader* message, int flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int shutdown(SafeHandle socket, int how);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint send(SafeHandle socket, byte* data, nuint size, int flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint recv(SafeHandle socket, byte* buffer, nuint size, int flags);

    /// <summary>
    /// recv(2) with MSG_DONTWAIT alone: it never waits, so the runtime need not be told that it runs.
    /// </summary>
    [LibraryImport(Library, EntryPoint = "recv")]
    [SuppressGCTransition]
    public static partial nint recv_now(SafeHandle socket, byte* buffer, nuint size, int flags);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int memfd_create(string name, uint flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int ftruncate(SafeFileHandle file, long length);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int getrlimit(int resource, ulong* softAndHard);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int fallocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport(Library, SetLastError = true)]
    public static partial void* mmap(
        void* address, nuint length, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int munmap(void* address, nuint length);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int madvise(void* address, nuint length, int advice);

    [LibraryImport(Library)]
    public static partial uint geteuid();

    [LibraryImport(Library)]
    public static partial uint getegid();

    [LibraryImport(Library)]
    public static partial int kill(int process, int signal);

    /// <summary>
    /// Calls what older C libraries have no function for: pidfd_open(2), pidfd_send_signal(2), fsmount(2).
    /// </summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial nint syscall(
        nint number, nint first, nint second, nint third, nint fourth, nint fifth = 0);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int execve(byte* path, byte** arguments, byte** environment);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int waitpid(int process, int* status, int options);

    [LibraryImport(Library)]
    public static partial int posix_spawn(
        int* process, byte* path, void* actions, void* attributes, byte** arguments, byte** environment);

    [LibraryImport(Library)]
    public static partial int posix_spawnattr_init(void* attributes);

    [LibraryImport(Library)]
    public static partial int posix_spawnattr_destroy(void* attributes);

    [LibraryImport(Library)]
    public static partial int posix_spawnattr_setflags(void* attributes, short flags);

    [LibraryImport(Library)]
    public static partial int posix_spawnattr_setsigmask(void* attributes, void* signals);

    [LibraryImport(Library)]
    public static partial int posix_spawn_file_actions_init(void* actions);

    [LibraryImport(Library)]
    public static partial int posix_spawn_file_actions_destroy(void* actions);

    [LibraryImport(Library)]
    public static partial int posix_spawn_file_actions_adddup2(void* actions, int descriptor, int newDescriptor);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int posix_spawn_file_actions_addopen(
        void* actions, int descriptor, string path, int flags, uint mode);

    [LibraryImport(Library)]
    public static partial nint signal(int number, nint handler);

    [LibraryImport(Library)]
    public static partial int siginterrupt(int number, int interrupts);

    [LibraryImport(Library)]
    public static partial nint pthread_self();

    [LibraryImport(Library)]
    public static partial int pthread_kill(nint thread, int number);

    [LibraryImport(Library)]
    public static partial int ioctl(SafeHandle descriptor, nuint request, int* value);

    [LibraryImport(Library)]
    public static partial int pthread_sigmask(int how, void* set, void* former);

    [LibraryImport(Library)]
    public static partial int gettid();

    [LibraryImport(Library, SetLastError = true)]
    public static partial int sched_getaffinity(int thread, nuint size, ulong* cpus);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int sched_setaffinity(int thread, nuint size, ulong* cpus);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int sched_getscheduler(int thread);

    /// <param name="thread">0 for the caller.</param>
    /// <param name="policy">The class, as sched(7) numbers it.</param>
    /// <param name="priority">struct sched_param: a single int.</param>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int sched_setscheduler(int thread, int policy, int* priority);

    [LibraryImport(Library)]
    public static partial int clock_gettime(int clock, TimeSpec* time);

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly struct IoVec(void* start, nuint length)
    {
        private readonly void* _start = start;
        private readonly nuint _length = length;
    }

    /// <summary>struct msghdr; the compiler pads after the lengths as C does.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct MessageHeader
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
    public readonly struct ControlMessage
    {
        /// <summary>CMSG_LEN(sizeof(int)).</summary>
        public static nuint MeaningfulLength => (nuint)sizeof(nuint) + (3 * sizeof(int));

        public readonly nuint Length;
        public readonly int Level;
        public readonly int Type;
        public readonly int Descriptor;
    }

    /// <summary>struct timespec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;

        public readonly TimeSpan AsSpan =>
            new((Seconds * TimeSpan.TicksPerSecond) + (Nanoseconds / TimeSpan.NanosecondsPerTick));
    }

    /// <summary>struct statx (linux/stat.h), of which the parts that are read have names.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct FileStatus
    {
        [FieldOffset(0)]
        public uint Known;

        [FieldOffset(16)]
        public uint Links;

        [FieldOffset(20)]
        public uint UserId;

        [FieldOffset(24)]
        public uint GroupId;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public ulong Size;

        [FieldOffset(128)]
        public uint DeviceMajor;

        [FieldOffset(132)]
        public uint DeviceMinor;

        [FieldOffset(144)]
        public ulong Mount;
    }
}
