using System.Buffers.Binary;
using System.Globalization;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>The memory of another process, as root reads it.</summary>
/// <param name="id">The process.</param>
internal sealed class ProcessMemory(int id)
{
    private const int PageSize = 4096;
    private const int PageEntry = sizeof(ulong);
    private const ulong PresentOrSwapped = 3UL << 62; // of an entry of /proc/PID/pagemap

    private readonly string _folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{id}");

    /// <summary>Finds secrets in the memory that outlives the process.</summary>
    /// <param name="secrets">Each secret, under the name that the result has for it.</param>
    /// <returns>For each find the secret and where it was.</returns>
    public IReadOnlyList<string> FindInMirrors(IReadOnlyDictionary<string, byte[]> secrets)
    {
        MemoryMapping[] mirrors = [.. Mappings().Where(mapping => mapping.IsMirror)];
        Assert.NotEmpty(mirrors);
        var search = new SecretSearch(secrets);
        foreach (MemoryMapping mirror in mirrors)
        {
            // The file is read, and not the mapping: reading a hole of it through the mapping would give it a page.
            using FileStream file = OpenForReading($"{_folder}/map_files/{mirror.Start:x}-{mirror.End:x}");
            search.Look(file, mirror.Name, 0, file.Length);
        }

        return search.Finds;
    }

    /// <summary>Finds secrets in all other memory that the process may write to: heaps and stacks.</summary>
    /// <param name="secrets">Each secret, under the name that the result has for it.</param>
    /// <returns>For each find the secret and where it was.</returns>
    public IReadOnlyList<string> FindInHeapsAndStacks(IReadOnlyDictionary<string, byte[]> secrets)
    {
        using FileStream memory = OpenForReading($"{_folder}/mem");
        using FileStream pages = OpenForReading($"{_folder}/pagemap");
        var search = new SecretSearch(secrets);
        foreach (MemoryMapping mapping in Mappings().Where(mapping => mapping.IsWritable && !mapping.IsMirror))
        {
            foreach ((long start, long end) in RunsOfPages(pages, mapping))
            {
                search.Look(memory, mapping.Name, start, end);
            }
        }

        return search.Finds;
    }

    /// <summary>Finds secrets in the files that the process has open, but for its memory without a name.</summary>
    /// <param name="secrets">Each secret, under the name that the result has for it.</param>
    /// <returns>For each find the secret and where it was.</returns>
    public IReadOnlyList<string> FindInOpenFiles(IReadOnlyDictionary<string, byte[]> secrets)
    {
        var search = new SecretSearch(secrets);
        foreach (FileInfo descriptor in new DirectoryInfo($"{_folder}/fd").EnumerateFiles())
        {
            // Pipes, sockets and memory without a name have no file of this name; devices are not searched.
            string target = descriptor.LinkTarget ?? "";
            if (File.Exists(target) && !target.StartsWith("/dev/", StringComparison.Ordinal)
                && !target.StartsWith("/proc/", StringComparison.Ordinal))
            {
                using FileStream file = OpenForReading(descriptor.FullName);
                search.Look(file, target, 0, file.Length);
            }
        }

        return search.Finds;
    }

    /// <summary>Gets the flags (VmFlags of proc(5)) of each mapping of the memory that outlives the process.</summary>
    public IReadOnlyList<string[]> FlagsOfMirrors()
    {
        List<string[]> flags = [];
        bool isMirror = false;
        foreach (string line in File.ReadLines($"{_folder}/smaps"))
        {
            if (line.StartsWith("VmFlags:", StringComparison.Ordinal))
            {
                if (isMirror)
                {
                    flags.Add(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..]);
                }
            }
            else if (MemoryMapping.TryParse(line) is { } mapping)
            {
                isMirror = mapping.IsMirror;
            }
        }

        return flags;
    }

    private IEnumerable<MemoryMapping> Mappings() =>
        File.ReadAllLines($"{_folder}/maps").Select(MemoryMapping.TryParse).OfType<MemoryMapping>();

    /// <summary>Finds the pages that a mapping has, so that reading makes none.</summary>
    private static IEnumerable<(long Start, long End)> RunsOfPages(FileStream pages, MemoryMapping mapping)
    {
        byte[] entries = new byte[(mapping.End - mapping.Start) / PageSize * PageEntry];
        pages.Position = mapping.Start / PageSize * PageEntry;
        int read = pages.ReadAtLeast(entries, entries.Length, throwOnEndOfStream: false);
        long start = -1;
        for (int at = 0; at < read; at += PageEntry)
        {
            long page = mapping.Start + ((long)at / PageEntry * PageSize);
            bool isThere = (BinaryPrimitives.ReadUInt64LittleEndian(entries.AsSpan(at)) & PresentOrSwapped) != 0;
            if (isThere && start < 0)
            {
                start = page;
            }
            else if (!isThere && start >= 0)
            {
                yield return (start, page);
                start = -1;
            }
        }

        if (start >= 0)
        {
            yield return (start, mapping.End);
        }
    }

    private static FileStream OpenForReading(string path) =>
        new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
}
