using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>Reads /proc (proc(5)). Paths are relative to it.</summary>
/// <remarks>
/// Everybody may list most directories of /proc, those of other users' processes too. A program that lists one into
/// memory that never arrives holds its lock, and if another thread asks to make a file there, all who look up a name in
/// it wait, unkillably. <see cref="Protect"/> keeps this process out of that.
/// </remarks>
public static unsafe class ProcFs
{
    private const string MountPoint = "/proc";
    private const int MaxThreads = 16;

    /// <summary>For lookups of which requests wait.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromMilliseconds(50);

    /// <summary>For files without which their readers do not go on.</summary>
    private static readonly TimeSpan s_fileLimit = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan s_maxRest = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Names that others than this class look up: what <see cref="FileCalls.PathOf"/> leads through, and what .NET's
    /// collector reads. The kernel looks a name up without a lock as long as somebody has it open.
    /// </summary>
    private static readonly string[] s_keptNames = ["self/fd", "meminfo"];

    private static SafeFileHandle s_root = OpenPath(MountPoint);
    private static SafeFileHandle[] s_kept = [];
    private static BoundedCalls? s_bounded;

    /// <summary>
    /// Sees to it that no other process can hold up this one's look at /proc. To be called once, before there are
    /// clients.
    /// </summary>
    /// <returns>
    /// True when this process has a procfs of its own, which no other process can reach, with locks of its own. That
    /// takes CAP_SYS_ADMIN and Linux 5.8. Otherwise threads of <see cref="BoundedCalls"/> read /proc, and a file that
    /// they do not get in time counts as one that is not there.
    /// </returns>
    public static bool Protect()
    {
        s_kept = Array.ConvertAll(s_keptNames, name => OpenPath($"{MountPoint}/{name}"));
        if (MountCalls.MakeProcFs(out SafeFileHandle own).IsError)
        {
            s_bounded = new BoundedCalls("proc", MaxThreads, s_maxRest);
            return false;
        }

        s_root = own;
        return true;
    }

    /// <summary>Reads a whole file as text.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static string ReadText(string path)
    {
        using var text = new StreamReader(Open(path));
        return text.ReadToEnd();
    }

    /// <summary>Returns a number that the kernel tells of one of this process's descriptors.</summary>
    /// <param name="descriptor">The descriptor.</param>
    /// <param name="field">The beginning of the number's line, with its colon (proc_pid_fdinfo(5)).</param>
    /// <returns>0 when there is no such line, or the number is negative.</returns>
    /// <exception cref="IOException">There is no /proc.</exception>
    internal static int NumberIn(SafeFileHandle descriptor, string field)
    {
        string[] lines = ReadText($"self/fdinfo/{descriptor.DangerousGetHandle()}").Split('\n');
        string line = Array.Find(lines, line => line.StartsWith(field, StringComparison.Ordinal)) ?? field;
        return int.TryParse(line.AsSpan(field.Length), CultureInfo.InvariantCulture, out int id) ? Math.Max(id, 0) : 0;
    }

    /// <summary>Returns the names in a directory, as <see cref="FileCalls.NamesIn(string, bool)"/>.</summary>
    public static IReadOnlyList<string> NamesIn(string path) =>
        Bounded(s_limit, () =>
        {
            using SafeFileHandle? directory = TryOpen(path, OpenOptions.ReadOnly | OpenOptions.Directory);
            return directory is null ? null : FileCalls.NamesIn(directory);
        })
        ?? [];

    /// <summary>Returns the target of a symbolic link, which is not followed; null when it cannot be read.</summary>
    public static string? ReadLink(string path) => Bounded(s_limit, () => FileCalls.ReadLink(s_root, path));

    /// <summary>Opens a file for reading.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    internal static FileStream Open(string path) =>
        new(
            Bounded(s_fileLimit, () => TryOpen(path, OpenOptions.ReadOnly))
                ?? throw new IOException($"cannot open {MountPoint}/{path}"),
            FileAccess.Read);

    /// <summary>
    /// Reads the beginning of a file. Allocates nothing on the managed heap after a successful <see cref="Protect"/>.
    /// </summary>
    /// <param name="path">The path, ended by NUL.</param>
    /// <param name="buffer">Takes the bytes.</param>
    /// <param name="length">The number of bytes that were read.</param>
    internal static bool TryRead(ReadOnlySpan<byte> path, Span<byte> buffer, out int length) =>
        TryRead(path, OpenOptions.ReadOnly, buffer, out length);

    /// <summary>Reads the first entries of a directory, as getdents64(2) gives them.</summary>
    /// <inheritdoc cref="TryRead(ReadOnlySpan{byte}, Span{byte}, out int)"/>
    internal static bool TryList(ReadOnlySpan<byte> path, Span<byte> buffer, out int length) =>
        TryRead(path, OpenOptions.ReadOnly | OpenOptions.Directory, buffer, out length);

    private static bool TryRead(ReadOnlySpan<byte> path, int flags, Span<byte> buffer, out int length)
    {
        if (s_bounded is null)
        {
            length = Read(path, flags, buffer);
            return length > 0;
        }

        (byte[] name, byte[] room) = (path.ToArray(), new byte[buffer.Length]);
        byte[] read = s_bounded.Run(s_limit, () => room[..Read(name, flags, room)]) ?? [];
        read.CopyTo(buffer);
        length = read.Length;
        return length > 0;
    }

    /// <returns>The number of bytes; 0 where there is no such file.</returns>
    private static int Read(ReadOnlySpan<byte> path, int flags, Span<byte> buffer)
    {
        fixed (byte* name = path, start = buffer)
        {
            int file = LibC.openat(s_root, name, flags | OpenOptions.CloseOnExec, 0);
            if (file < 0)
            {
                return 0;
            }

            nint length = flags == OpenOptions.ReadOnly ? LibC.read(file, start, buffer.Length)
                : LibC.getdents64(file, start, buffer.Length);
            _ = LibC.close(file);
            return (int)nint.Max(length, 0);
        }
    }

    private static T? Bounded<T>(TimeSpan limit, Func<T?> call)
        where T : class => s_bounded is null ? call() : s_bounded.Run(limit, call);

    private static SafeFileHandle? TryOpen(string path, int flags) =>
        FileCalls.OpenAt(s_root, path, flags, 0, out SafeFileHandle file).IsError ? null : file;

    /// <summary>Never null; not valid where there is no such file.</summary>
    private static SafeFileHandle OpenPath(string path)
    {
        _ = FileCalls.Open(path, OpenOptions.PathOnly, 0, out SafeFileHandle file);
        return file;
    }
}
