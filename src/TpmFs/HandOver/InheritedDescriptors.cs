using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.HandOver;

/// <summary>
/// The descriptors that this process was started with, by their names: from the service manager, which kept them for an
/// earlier process (sd_listen_fds_with_names(3)), or from the earlier process itself, which executed this program. They
/// are closed at the next exec.
/// </summary>
internal sealed class InheritedDescriptors : IDisposable
{
    /// <summary>
    /// NAME=NUMBER for each descriptor, with colons between; made by the program that executed this one.
    /// </summary>
    public const string Variable = "TPMFS_DESCRIPTORS";

    /// <summary>
    /// The variable with the time when the program that executed this one stopped serving, as Stopwatch.GetTimestamp
    /// counts.
    /// </summary>
    public const string SinceVariable = "TPMFS_STOPPED_AT";

    private const string ListenProcess = "LISTEN_PID";
    private const string ListenCount = "LISTEN_FDS";
    private const string ListenNames = "LISTEN_FDNAMES";
    private const int ListenFirst = 3; // SD_LISTEN_FDS_START
    private const int MostDescriptors = 4096;

    private readonly Dictionary<string, SafeFileHandle> _descriptors = new(StringComparer.Ordinal);

    private readonly List<string> _received = [];
    private readonly long? _stoppedAt;

    private InheritedDescriptors(long? stoppedAt) => _stoppedAt = stoppedAt;

    /// <summary>
    /// For how long nobody has served; null where the daemon before was killed, and nobody knows when.
    /// </summary>
    public TimeSpan? Pause => _stoppedAt is { } stoppedAt ? Stopwatch.GetElapsedTime(stoppedAt) : null;

    /// <summary>The names of all that were received.</summary>
    public IReadOnlyCollection<string> Received => _received;

    /// <summary>The names of those that nobody took yet.</summary>
    public IReadOnlyCollection<string> Names => _descriptors.Keys;

    /// <summary>
    /// Takes them over. Called once; the environment does not have them any more afterwards, so that no program that is
    /// started later takes them for its own.
    /// </summary>
    public static InheritedDescriptors Receive()
    {
        bool isKnown = long.TryParse(
            Environment.GetEnvironmentVariable(SinceVariable), NumberStyles.None, CultureInfo.InvariantCulture,
            out long stoppedAt);
        var inherited = new InheritedDescriptors(isKnown ? stoppedAt : null);
        foreach ((string name, int number) in FromServiceManager().Concat(FromPredecessor()))
        {
            inherited.Add(name, number);
        }

        foreach (string variable in (string[])[Variable, SinceVariable, ListenProcess, ListenCount, ListenNames])
        {
            Environment.SetEnvironmentVariable(variable, null);
        }

        return inherited;
    }

    /// <summary>Hands a descriptor out, for good.</summary>
    /// <returns>Null where there is none of this name.</returns>
    public SafeFileHandle? Take(string name) => _descriptors.Remove(name, out SafeFileHandle? taken) ? taken : null;

    /// <summary>Hands out those whose names begin with a prefix, by what follows the prefix.</summary>
    public Dictionary<string, SafeFileHandle> TakeAll(string prefix)
    {
        string[] names = [.. _descriptors.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal))];
        return names.ToDictionary(name => name[prefix.Length..], name => Take(name)!, StringComparer.Ordinal);
    }

    /// <summary>Closes those that nobody took.</summary>
    public void Dispose()
    {
        foreach (SafeFileHandle left in _descriptors.Values)
        {
            left.Dispose();
        }

        _descriptors.Clear();
    }

    private static IEnumerable<(string Name, int Number)> FromServiceManager()
    {
        if (Number(Environment.GetEnvironmentVariable(ListenProcess)) != Environment.ProcessId
            || Number(Environment.GetEnvironmentVariable(ListenCount))
                is not (> 0 and <= MostDescriptors and var count))
        {
            return [];
        }

        string[] names = (Environment.GetEnvironmentVariable(ListenNames) ?? "").Split(':');
        return names.Take(count).Select((name, index) => (name, ListenFirst + index));
    }

    private static IEnumerable<(string Name, int Number)> FromPredecessor() =>
        (Environment.GetEnvironmentVariable(Variable) ?? "").Split(':')
            .Select(item => item.Split('='))
            .Where(parts => parts.Length == 2 && Number(parts[1]) is not null)
            .Select(parts => (parts[0], Number(parts[1])!.Value));

    private static int? Number(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;

    /// <summary>Takes one over, unless it is not open, or its name is there already.</summary>
    private void Add(string name, int number)
    {
        var descriptor = new SafeFileHandle(number, ownsHandle: true);
        if (number < ListenFirst || FileCalls.SetInheritable(descriptor, inheritable: false).IsError)
        {
            descriptor.SetHandleAsInvalid();
        }
        else if (_descriptors.TryAdd(name, descriptor))
        {
            _received.Add(name);
        }
        else
        {
            descriptor.Dispose();
        }
    }
}
