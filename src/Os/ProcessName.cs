using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace TpmFs.Os;

/// <summary>Names a process as the kernel knows it (proc(5)).</summary>
/// <param name="Id">The process's id; the thread's id when the process cannot be found.</param>
/// <param name="Name">The name that the process gave itself, as <see cref="OutsideText.Word"/>.</param>
/// <remarks>
/// Only files are read that cost the kernel the same for all processes. It takes milliseconds to make a status file of
/// a process with thousands of groups, or the stat file of a process with thousands of threads.
/// </remarks>
public readonly record struct ProcessName(uint Id, string Name)
{
    private const int MaxName = 32;
    private const int MaxPath = 64;

    /// <summary>Room for a few entries of a directory; the kernel looks for no more than fit.</summary>
    private const int FewEntries = 128;

    private const int EntryLength = 16; // d_reclen in struct dirent64
    private const int EntryName = 19; // d_name there

    /// <summary>
    /// Finds the process that a thread belongs to. No other process can hold this up (<see cref="ProcFs"/>).
    /// </summary>
    /// <returns>
    /// The thread and "?" when the thread has ended, or is in a process namespace that this process cannot see.
    /// </returns>
    public static ProcessName OfThread(uint thread)
    {
        Span<byte> path = stackalloc byte[MaxPath];
        Span<byte> name = stackalloc byte[MaxName];
        Span<byte> entries = stackalloc byte[FewEntries];
        if (!Utf8.TryWrite(path, CultureInfo.InvariantCulture, $"{thread}/comm\0", out _)
            || !ProcFs.TryRead(path, name, out int length)
            || !Utf8.TryWrite(path, CultureInfo.InvariantCulture, $"{thread}/task\0", out _)
            || !ProcFs.TryList(path, entries, out int size))
        {
            return new ProcessName(thread, "?");
        }

        return new ProcessName(FirstThread(entries[..size]) ?? thread, Show(name[..length]));
    }

    /// <summary>
    /// Returns the name in a comm file. A name may hold any byte but NUL, line breaks too; the kernel adds one more.
    /// </summary>
    internal static string Show(ReadOnlySpan<byte> comm) =>
        OutsideText.Word(
            Encoding.Latin1.GetString(comm.EndsWith("\n"u8) ? comm[..^1] : comm), MaxName);

    /// <summary>
    /// Finds the first thread in the listing of a process's threads (getdents64(2)): the kernel lists the one first
    /// that bears the process's number (first_tid of fs/proc/base.c).
    /// </summary>
    internal static uint? FirstThread(ReadOnlySpan<byte> entries)
    {
        while (entries.Length > EntryName)
        {
            int length = BitConverter.ToUInt16(entries[EntryLength..]);
            if (length <= EntryName || length > entries.Length)
            {
                return null;
            }

            ReadOnlySpan<byte> name = entries[EntryName..length];
            int end = name.IndexOf((byte)0);
            if (end > 0 && Utf8Parser.TryParse(name, out uint id, out int used) && used == end)
            {
                return id;
            }

            entries = entries[length..];
        }

        return null;
    }
}
