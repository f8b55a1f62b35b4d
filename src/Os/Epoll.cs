using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>
/// epoll(7), edge-triggered: a change of a file is told once, to one of the threads that wait. Any thread.
/// </summary>
public sealed unsafe class Epoll : IDisposable
{
    private const int CloseOnExec = OpenOptions.CloseOnExec; // EPOLL_CLOEXEC
    private const int AddFile = 1;
    private const int ModifyFile = 3;
    private const uint EdgeTriggered = 1u << 31;
    private const int LargestEvent = 16;

    private readonly SafeFileHandle _epoll;

    private Epoll(SafeFileHandle epoll) => _epoll = epoll;

    /// <summary>Gets where the caller's number stands in struct epoll_event, which is packed on x86 alone.</summary>
    private static int NumberOffset => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;

    public static Errno Create(out Epoll epoll)
    {
        int file = LibC.epoll_create1(CloseOnExec);
        epoll = new Epoll(new SafeFileHandle(file, ownsHandle: true));
        return Errno.Of(file);
    }

    /// <summary>Watches a file until all its descriptors are closed.</summary>
    /// <param name="file">The file.</param>
    /// <param name="number">The number by which <see cref="Take"/> names the file.</param>
    /// <param name="wanted">Changes to be told, besides <see cref="FileChanges.Gone"/>.</param>
    public Errno Add(SafeHandle file, ulong number, FileChanges wanted) => Control(AddFile, file, number, wanted);

    /// <summary>
    /// Changes what is told of a file that is watched. A state that is wanted and holds already is told at once.
    /// </summary>
    /// <inheritdoc cref="Add"/>
    public Errno Modify(SafeHandle file, ulong number, FileChanges wanted) =>
        Control(ModifyFile, file, number, wanted);

    /// <summary>Takes changes, as many as there are room for. EINTR is left to the caller.</summary>
    /// <param name="events">Room for changes, at most a few hundred.</param>
    /// <param name="waits">True to wait for a change if there is none.</param>
    /// <param name="count">The number of changes.</param>
    public Errno Take(Span<FileEvent> events, bool waits, out int count)
    {
        byte* raw = stackalloc byte[events.Length * LargestEvent];
        int result = LibC.epoll_wait(_epoll, raw, events.Length, waits ? -1 : 0);
        var error = Errno.Of(result);
        count = Math.Max(result, 0);
        for (int i = 0; i < count; i++)
        {
            byte* one = raw + (i * (NumberOffset + sizeof(ulong)));
            ulong number = MemoryMarshal.Read<ulong>(new ReadOnlySpan<byte>(one + NumberOffset, sizeof(ulong)));
            events[i] = new FileEvent(number, (FileChanges)(*(uint*)one));
        }

        return error;
    }

    public void Dispose() => _epoll.Dispose();

    private Errno Control(int operation, SafeHandle file, ulong number, FileChanges wanted)
    {
        byte* one = stackalloc byte[LargestEvent];
        *(uint*)one = (uint)wanted | EdgeTriggered;
        MemoryMarshal.Write(new Span<byte>(one + NumberOffset, sizeof(ulong)), in number);
        return Errno.Of(LibC.epoll_ctl(_epoll, operation, file, one));
    }
}

/// <summary>What changed of a file.</summary>
/// <param name="Number">The file, as it was given to <see cref="Epoll.Add"/>.</param>
/// <param name="Changes">Its changes.</param>
public readonly record struct FileEvent(ulong Number, FileChanges Changes);

/// <summary>Changes of a file: EPOLLIN and its like.</summary>
[Flags]
public enum FileChanges : uint
{
    None = 0,

    /// <summary>There is something to read, or the end.</summary>
    Readable = 0x1,

    /// <summary>There is room to write.</summary>
    Writable = 0x4,

    /// <summary>EPOLLERR and EPOLLHUP: the other side is gone.</summary>
    Gone = 0x18,

    /// <summary>EPOLLRDHUP: the other side will write no more.</summary>
    Ended = 0x2000,
}
