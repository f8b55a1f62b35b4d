using System.Globalization;
using System.Runtime.Versioning;

namespace TpmFs.Tpm.Transports;

/// <summary>Finds who has a file open, as far as this process may know (proc(5)).</summary>
[SupportedOSPlatform("linux")]
internal static class DeviceHolders
{
    private const int MaxNamed = 3;

    /// <summary>" by process 812 (tpm2-abrmd)", for the end of a sentence; empty when nobody is to be seen.</summary>
    public static string Describe(string path)
    {
        string name = Path.GetFullPath(path);
        string target = new FileInfo(name).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? name;
        string[] holders = [.. Processes().Where(process => Holds(process, target)).Take(MaxNamed).Select(Name)];
        return holders.Length == 0 ? string.Empty : $" by {string.Join(" and ", holders)}";
    }

    private static IEnumerable<string> Processes() =>
        Directory.EnumerateDirectories("/proc").Where(entry => Path.GetFileName(entry).All(char.IsAsciiDigit));

    private static bool Holds(string process, string path)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries($"{process}/fd").Any(descriptor => new FileInfo(descriptor).LinkTarget == path);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return false; // It has ended meanwhile, or is another user's.
        }
    }

    private static string Name(string process)
    {
        string id = Path.GetFileName(process);
        if (id == Environment.ProcessId.ToString(CultureInfo.InvariantCulture))
        {
            return "this very process";
        }

        try
        {
            return $"process {id} ({File.ReadAllText($"{process}/comm").Trim()})";
        }
        catch (IOException)
        {
            return $"process {id}, which has ended";
        }
    }
}
