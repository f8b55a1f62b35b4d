using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>
/// Memory that lives as long as some process has its descriptor: a memfd, mapped shared. It has no name by which
/// another process could open it. The kernel gives it pages only where bytes are written, so a large one costs nothing
/// at first. It is left out of core dumps.
/// </summary>
public sealed unsafe class SharedMemory : MemoryManager<byte>
{
    private const uint Options = 3; // MFD_CLOEXEC | MFD_ALLOW_SEALING
    private const int AddSeals = 1033; // F_ADD_SEALS
    private const int GetSeals = 1034; // F_GET_SEALS
    private const int FixedSize = 7; // F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW
    private const int ReadWrite = 3; // PROT_READ | PROT_WRITE
    private const int Shared = 1; // MAP_SHARED
    private const int DoNotDump = 16; // MADV_DONTDUMP
    private const int PunchHole = 3; // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    private const int LimitOfFiles = 1; // RLIMIT_FSIZE

    private readonly int _length;
    private byte* _start;

    private SharedMemory(SafeFileHandle descriptor, byte* start, int length)
    {
        Descriptor = descriptor;
        _start = start;
        _length = length;
    }

    /// <summary>
    /// Gets the descriptor that keeps the memory; its size is sealed. It is closed when a program is executed, unless
    /// that is changed.
    /// </summary>
    public SafeFileHandle Descriptor { get; }

    /// <summary>Makes memory that is all zero.</summary>
    /// <param name="name">The name in /proc/PID/maps.</param>
    /// <param name="length">The size in bytes.</param>
    /// <returns>
    /// ENOSYS or EPERM where a seccomp filter forbids the call, EFBIG above RLIMIT_FSIZE, ENOMEM, EMFILE; any error of
    /// madvise(2), since memory that would be in a core dump is not used.
    /// </returns>
    public static Errno Create(string name, int length, out SharedMemory? memory)
    {
        memory = null;
        if ((ulong)length > LongestFile())
        {
            return Errno.EFBIG; // ftruncate(2) would send SIGXFSZ, too, which ends the process
        }

        int fd = LibC.memfd_create(name, Options);
        if (fd < 0)
        {
            return Errno.Last;
        }

        var descriptor = new SafeFileHandle(fd, ownsHandle: true);
        var error = Errno.Of(LibC.ftruncate(descriptor, length));
        error = error.IsError ? error : Errno.Of(LibC.fcntl(descriptor, AddSeals, FixedSize));
        error = error.IsError ? error : Map(descriptor, length, out memory);
        if (error.IsError)
        {
            descriptor.Dispose();
        }

        return error;
    }

    /// <summary>Maps the memory of an earlier process.</summary>
    /// <param name="problem">
    /// The reason why the memory cannot be mapped: a sentence whose subject "it" is the descriptor.
    /// </param>
    public static bool TryAdopt(
        SafeFileHandle descriptor, [NotNullWhen(true)] out SharedMemory? memory, out string problem)
    {
        memory = null;
        Errno error = FileStatus.Read(descriptor, out FileStatus status);
        if (error.IsError || LibC.fcntl(descriptor, GetSeals, 0) != FixedSize || status.Size is 0 or > int.MaxValue)
        {
            problem = "it is not memory that tpmfs made";
            return false;
        }

        error = Map(descriptor, (int)status.Size, out memory);
        problem = error.IsError ? $"it cannot be mapped ({error.Text()})" : "";
        return memory is not null;
    }

    /// <summary>
    /// Gets pages for a part that is going to be written. Without a page, and without memory for one, a write ends the
    /// process with SIGBUS.
    /// </summary>
    /// <param name="offset">A multiple of the page's size.</param>
    /// <param name="length">A multiple of the page's size.</param>
    /// <returns>False when the kernel has no memory for them.</returns>
    public bool TryPopulate(int offset, int length)
    {
        Errno error;
        do
        {
            error = Errno.Of(LibC.fallocate(Descriptor, 0, offset, length));
        }
        while (error == Errno.EINTR);
        return !error.IsError;
    }

    /// <summary>Gives a part's pages back to the kernel. The part is zero afterwards.</summary>
    /// <param name="offset">A multiple of the page's size.</param>
    /// <param name="length">A multiple of the page's size.</param>
    public void Release(int offset, int length) => _ = LibC.fallocate(Descriptor, PunchHole, offset, length);

    public override Span<byte> GetSpan() => new(_start, _length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

    public override void Unpin()
    {
    }

    /// <summary>Unmaps the memory, and closes the descriptor. Nobody may use the memory any more.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing && _start is not null)
        {
            _ = LibC.munmap(_start, (nuint)_length);
            _start = null;
            Descriptor.Dispose();
        }
    }

    private static ulong LongestFile()
    {
        ulong* softAndHard = stackalloc ulong[2];
        return LibC.getrlimit(LimitOfFiles, softAndHard) == 0 ? softAndHard[0] : ulong.MaxValue;
    }

    private static Errno Map(SafeFileHandle descriptor, int length, out SharedMemory? memory)
    {
        void* start = LibC.mmap(null, (nuint)length, ReadWrite, Shared, descriptor, 0);
        if (start == (void*)-1)
        {
            memory = null;
            return Errno.Last;
        }

        var error = Errno.Of(LibC.madvise(start, (nuint)length, DoNotDump));
        if (error.IsError)
        {
            _ = LibC.munmap(start, (nuint)length);
            memory = null;
            return error;
        }

        memory = new SharedMemory(descriptor, (byte*)start, length);
        return Errno.None;
    }
}
