using System.Buffers.Text;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>Names a process as the kernel knows it (proc(5)).</summary>
/// <param name="Id">The process's id; the thread's id when the process cannot be found.</param>
/// <param name="Name">The name that the process gave itself, as <see cref="OutsideText.Word"/>.</param>
public readonly record struct ProcessName(uint Id, string Name)
{
    private const int MaxName = 32;

    /// <summary>How many bytes of a status file are read: enough for everything up to the process's number.</summary>
    private const int MaxStatus = 1024;

    /// <summary>Finds the process that a thread belongs to. Waits for nothing.</summary>
    /// <returns>
    /// The thread and "?" when the thread has ended, or is in a process namespace that this process cannot see.
    /// </returns>
    public static ProcessName OfThread(uint thread)
    {
        Errno error = FileCalls.Open($"/proc/{thread}/status", OpenOptions.ReadOnly, 0, out SafeFileHandle file);
        using (file)
        {
            Span<byte> status = stackalloc byte[MaxStatus];
            int length = 0;
            error = error.IsError ? error : FileCalls.Read(file, status, out length);
            return error.IsError ? new ProcessName(thread, "?") : Parse(status[..length], thread);
        }
    }

    /// <summary>
    /// Reads a status file. A name may hold any byte but NUL, and the kernel writes a line break in it as \n, so a line
    /// ends with a line break and with nothing else.
    /// </summary>
    internal static ProcessName Parse(ReadOnlySpan<byte> status, uint thread)
    {
        string name = "?";
        foreach (Range range in status.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = status[range];
            if (line.StartsWith("Name:\t"u8))
            {
                name = OutsideText.Word(Encoding.Latin1.GetString(line["Name:\t".Length..]), MaxName);
            }
            else if (line.StartsWith("Tgid:\t"u8))
            {
                ReadOnlySpan<byte> number = line["Tgid:\t".Length..];
                bool isNumber = Utf8Parser.TryParse(number, out uint id, out int used) && used == number.Length;
                return new ProcessName(isNumber ? id : thread, name);
            }
        }

        return new ProcessName(thread, name);
    }
}
