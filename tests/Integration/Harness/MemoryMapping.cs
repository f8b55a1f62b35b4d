using System.Globalization;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>A part of a process's address space, as a line of /proc/PID/maps has it.</summary>
/// <param name="Start">Its first address.</param>
/// <param name="End">The address after its last one.</param>
/// <param name="IsWritable">True when the process may read it and write to it.</param>
/// <param name="Name">The file that is mapped, or what the kernel calls it.</param>
internal sealed record MemoryMapping(long Start, long End, bool IsWritable, string Name)
{
    /// <summary>True when the memory outlives the process: a memfd that the daemon made for its records.</summary>
    public bool IsMirror => Name.StartsWith("/memfd:tpmfs-", StringComparison.Ordinal);

    /// <summary>Returns null for a line of smaps that begins no mapping.</summary>
    public static MemoryMapping? TryParse(string line)
    {
        string[] words = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
        string[] ends = words[0].Split('-');
        return ends.Length == 2
            && long.TryParse(ends[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out long start)
            && long.TryParse(ends[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out long end)
            ? new MemoryMapping(
                start, end, words[1].StartsWith("rw", StringComparison.Ordinal),
                words.Length > 5 ? words[5].Trim() : "memory without a name")
            : null;
    }
}
