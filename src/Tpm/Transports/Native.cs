using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// The C library's calls: for a child process that inherits chosen descriptors, which System.Diagnostics.Process cannot give it, and for a
/// device with O_NONBLOCK, which FileStream cannot open. Constants are those of asm-generic.
/// </summary>
internal static unsafe partial class Native
{
    public const int AfUnix = 1;
    public const int SockStream = 1;
    public const int FcntlSetFlags = 4;
    public const int OpenNonBlock = 0x800;
    public const int SockCloseOnExec = 0x8_0000;

    public const int OpenReadOnly = 0;
    public const int OpenReadWrite = 2;
    public const int OpenNoTerminal = 0x100;
    public const int OpenCloseOnExec = 0x8_0000;
    public const int OpenPathOnly = 0x20_0000;

    public const short SpawnSetSignalMask = 0x08;

    /// <summary>POSIX_SPAWN_SETSID: of glibc since 2.26 and musl since 1.1.24, with the same number.</summary>
    public const short SpawnSetSession = 0x80;

    public const int WaitNoHang = 1;
    public const int SigHup = 1;
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigTerm = 15;

    public const int ErrorNoEntry = 2;
    public const int ErrorInterrupted = 4;
    public const int ErrorInputOutput = 5;
    public const int ErrorNoDeviceOrAddress = 6;
    public const int ErrorTooBig = 7;
    public const int ErrorAgain = 11;
    public const int ErrorAccess = 13;
    public const int ErrorBusy = 16;
    public const int ErrorNoDevice = 19;
    public const int ErrorInvalid = 22;
    public const int ErrorTime = 62;

    public const short PollInput = 1;

    private const int MessageNoSignal = 0x4000;
    private const int MessagePeek = 2;
    private const int MessageDoNotWait = 0x40;
    private const int ClockMonotonic = 1;
    private const int ClockBootTime = 7;
    private const int StatEmptyPath = 0x1000; // AT_EMPTY_PATH
    private const uint StatType = 1; // STATX_TYPE
    private const int StatSize = 256;
    private const int StatMode = 28; // offsets in struct statx, linux/stat.h
    private const int StatDeviceMajor = 128;
    private const int StatDeviceMinor = 132;
    private const int EntryName = 19; // d_name in struct dirent64
    private const int FileSystemStatSize = 128; // more than a struct statfs has

    /// <summary>More than any C library's posix_spawnattr_t (336 bytes) and posix_spawn_file_actions_t (80) take.</summary>
    public const int SpawnStructSize = 512;

    /// <summary>Bytes of a sigset_t.</summary>
    public const int SignalSetSize = 128;

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    public static partial int SocketPair(int domain, int type, int protocol, int* pair);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Fcntl(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "posix_spawn")]
    public static partial int PosixSpawn(int* pid, byte* path, void* fileActions, void* attributes, byte** argv, byte** envp);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    public static partial int SpawnAttributesInit(void* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    public static partial int SpawnAttributesDestroy(void* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    public static partial int SpawnAttributesSetFlags(void* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    public static partial int SpawnAttributesSetSignalMask(void* attributes, void* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int SpawnActionsInit(void* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    public static partial int SpawnActionsDestroy(void* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int SpawnActionsAddDup2(void* actions, int descriptor, int newDescriptor);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addopen", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SpawnActionsAddOpen(void* actions, int descriptor, string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    public static partial int WaitPid(int pid, int* status, int options);

    [LibraryImport("libc", EntryPoint = "kill")]
    public static partial int Kill(int pid, int signal);

    /// <summary>-1 with an errno when it cannot be opened.</summary>
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    public static nint Read(SafeFileHandle file, Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            return Read(file, bytes, (nuint)buffer.Length);
        }
    }

    public static nint Write(SafeFileHandle file, ReadOnlySpan<byte> data)
    {
        fixed (byte* bytes = data)
        {
            return Write(file, bytes, (nuint)data.Length);
        }
    }

    /// <summary>Sends what there is room for, on a connected socket. Below 0 with an errno, EAGAIN after the socket's SO_SNDTIMEO.</summary>
    public static nint Send(SafeHandle socket, ReadOnlySpan<byte> data)
    {
        fixed (byte* bytes = data)
        {
            return Send(socket, bytes, (nuint)data.Length, MessageNoSignal);
        }
    }

    /// <summary>Receives what there is, at least a byte. 0 at the stream's end; below 0 with an errno, EAGAIN after the socket's SO_RCVTIMEO.</summary>
    public static nint Receive(SafeHandle socket, Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            return Receive(socket, bytes, (nuint)buffer.Length, 0);
        }
    }

    /// <summary>Whether a receive would have to wait: nothing is there, and the stream has not ended. True for a socket that fails, which a send meets.</summary>
    public static bool IsQuiet(SafeHandle socket)
    {
        byte first;
        return ReceiveNow(socket, &first, 1, MessagePeek | MessageDoNotWait) < 0;
    }

    /// <summary>Waits until something can be read, or an error: above 0. 0 when there was nothing in time, below 0 with an errno.</summary>
    /// <param name="file">Nobody closes it meanwhile.</param>
    /// <param name="timeout">In milliseconds.</param>
    public static int PollIn(SafeFileHandle file, int timeout)
    {
        var one = new PollDescriptor { Descriptor = (int)file.DangerousGetHandle(), Wanted = PollInput };
        return Poll(&one, 1, timeout);
    }

    /// <summary>Waits until one of these has what it waits for, or an error; false when none had in time, or a signal came.</summary>
    /// <param name="timeout">In milliseconds.</param>
    public static bool Poll(PollDescriptor[] descriptors, int timeout)
    {
        fixed (PollDescriptor* all = descriptors)
        {
            return Poll(all, (nuint)descriptors.Length, timeout) > 0;
        }
    }

    /// <summary>How long the machine has slept since it was booted: by two clocks, of which one stands still meanwhile.</summary>
    public static TimeSpan TimeAsleep()
    {
        TimeSpec awake, always;
        return ClockGetTime(ClockMonotonic, &awake) == 0 && ClockGetTime(ClockBootTime, &always) == 0 ? always.AsSpan - awake.AsSpan : TimeSpan.Zero;
    }

    /// <summary>The type bits of an open file's mode (inode(7)), and the numbers of the device that it is.</summary>
    public static bool TryGetType(SafeFileHandle file, out uint mode, out uint major, out uint minor)
    {
        Span<byte> stat = stackalloc byte[StatSize];
        int result;
        fixed (byte* bytes = stat)
        {
            result = StatX(file, "", StatEmptyPath, StatType, bytes);
        }

        mode = MemoryMarshal.Read<ushort>(stat[StatMode..]);
        major = MemoryMarshal.Read<uint>(stat[StatDeviceMajor..]);
        minor = MemoryMarshal.Read<uint>(stat[StatDeviceMinor..]);
        return result == 0;
    }

    /// <summary>The magic number of the file system that a file is on (statfs(2)); 0 when it cannot be told.</summary>
    public static long FileSystemOf(SafeFileHandle file)
    {
        Span<byte> stat = stackalloc byte[FileSystemStatSize];
        fixed (byte* bytes = stat)
        {
            return StatFileSystem(file, bytes) == 0 ? MemoryMarshal.Read<nint>(stat) : 0;
        }
    }

    /// <summary>The names in a directory, but for those that begin with a dot; none where it cannot be read. What they name is not looked at.</summary>
    public static List<string> NamesIn(string directory)
    {
        var names = new List<string>();
        nint stream = OpenDirectory(directory);
        if (stream == 0)
        {
            return names;
        }

        for (byte* entry = ReadDirectory(stream); entry is not null; entry = ReadDirectory(stream))
        {
            if (entry[EntryName] != '.')
            {
                names.Add(Marshal.PtrToStringUTF8((nint)(entry + EntryName))!);
            }
        }

        _ = CloseDirectory(stream);
        return names;
    }

    [LibraryImport("libc", EntryPoint = "opendir", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint OpenDirectory(string path);

    [LibraryImport("libc", EntryPoint = "readdir64")]
    private static partial byte* ReadDirectory(nint stream);

    [LibraryImport("libc", EntryPoint = "closedir")]
    private static partial int CloseDirectory(nint stream);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(SafeFileHandle file, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(SafeFileHandle file, byte* data, nuint size);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(SafeHandle socket, byte* data, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(SafeHandle socket, byte* buffer, nuint size, int flags);

    /// <summary>With MSG_DONTWAIT alone: never waits, so the runtime need not be told that it runs.</summary>
    [LibraryImport("libc", EntryPoint = "recv")]
    [SuppressGCTransition]
    private static partial nint ReceiveNow(SafeHandle socket, byte* buffer, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(PollDescriptor* descriptors, nuint count, int timeout);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, TimeSpec* time);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(SafeFileHandle directory, string path, int flags, uint mask, byte* stat);

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    private static partial int StatFileSystem(SafeFileHandle file, byte* stat);

    /// <summary>struct pollfd, poll(2).</summary>
    public struct PollDescriptor
    {
        public int Descriptor;
        public short Wanted;
        public short Ready;
    }

    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;

        public readonly TimeSpan AsSpan => new((Seconds * TimeSpan.TicksPerSecond) + (Nanoseconds / TimeSpan.NanosecondsPerTick));
    }
}
