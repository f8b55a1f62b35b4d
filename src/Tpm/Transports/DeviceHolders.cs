using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// Finds which processes have a file open, as far as this process may see (proc(5)). Descriptors are read as links and
/// never followed: stat(2) of a file asks the server of its filesystem, which may hang.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class DeviceHolders(string path)
{
    private const int MaxNamed = 3;

    /// <summary>
    /// The kernel writes this behind the path of a file whose name leads to another inode by now: each path to a node
    /// of TpmFs has an inode of its own, and a device may have been made anew.
    /// </summary>
    private const string Renewed = " (deleted)";

    /// <summary>The time for which an answer is used again, since looking through all processes takes time.</summary>
    private static readonly TimeSpan s_validity = TimeSpan.FromSeconds(30);

    private string _answer = "";
    private long? _looked;

    /// <summary>
    /// Returns the processes for the end of a sentence, such as " by process 812 (tpm2-abrmd)"; empty when none is
    /// visible.
    /// </summary>
    public string Describe()
    {
        if (_looked is not { } then || Stopwatch.GetElapsedTime(then) > s_validity)
        {
            string name = Path.GetFullPath(path);
            string target = Links.Resolve(name);
            string[] holders = [.. Processes().Where(process => Holds(process, target)).Take(MaxNamed).Select(Name)];
            _answer = holders.Length == 0 ? string.Empty : $" by {string.Join(" and ", holders)}";
            _looked = Stopwatch.GetTimestamp();
        }

        return _answer;
    }

    private static IEnumerable<string> Processes() =>
        ProcFs.NamesIn(".").Where(name => name.All(char.IsAsciiDigit));

    private static bool Holds(string process, string path) =>
        ProcFs.NamesIn($"{process}/fd").Any(
            descriptor => ProcFs.ReadLink($"{process}/fd/{descriptor}") is { } target
                && (target == path || target == path + Renewed));

    private static string Name(string id) =>
        id == Environment.ProcessId.ToString(CultureInfo.InvariantCulture) ? "this very process"
            : $"process {id} ({ProcessName.OfThread(uint.Parse(id, CultureInfo.InvariantCulture)).Name})";
}
