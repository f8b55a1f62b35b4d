using System.Globalization;
using System.Text;
using Serilog;
using TpmFs.Policy;

namespace TpmFs.Users;

/// <summary>
/// Reads from /etc/subuid (subuid(5)) the users to whom the system gives subordinate uids: when it is asked to, and at
/// each change of the file, since what somebody opens by uids that are not known yet keeps a share for each of them.
/// Any thread; none that serves the kernel comes here, since reading a file may take long.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="database">Knows the system's users.</param>
/// <param name="payers">Learns of the uids.</param>
/// <param name="log">Learns why the file cannot be read.</param>
internal sealed class SubordinateUsers(string path, IUserDatabase database, Payers payers, ILogger log) : IDisposable
{
    public const string SystemPath = "/etc/subuid";

    private const int MaxSize = 16 << 20;

    private readonly Lock _gate = new(); // Guards the file's last state, and what is made of it.
    private volatile Dictionary<string, uint?> _owners = new(StringComparer.Ordinal) { ["root"] = 0 };
    private string _problem = "";
    private FileSystemWatcher? _watcher;

    /// <summary>
    /// Reads the file from now on as soon as it changes. Where the directory cannot be watched, it is read only by <see
    /// cref="Read"/>.
    /// </summary>
    /// <param name="changed">Called after that; is to have <see cref="Read"/> called, which looks names up.</param>
    public void Watch(Action changed)
    {
        try
        {
            _watcher = new FileSystemWatcher(Path.GetDirectoryName(path)!, Path.GetFileName(path));
            _watcher.Changed += (_, _) => Reread();
            _watcher.Created += (_, _) => Reread();
            _watcher.Renamed += (_, _) => Reread();
            _watcher.Error += (_, _) => Reread();
            _watcher.EnableRaisingEvents = true;
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            log.Warning("changes of {File} are noticed every 5 minutes only: {Problem}", path, e.Message);
        }

        void Reread()
        {
            UseFile();
            changed();
        }
    }

    /// <summary>
    /// Looks up the names in the file, which may take long, and reads it. Keeps the last ranges where that fails.
    /// </summary>
    public void Read()
    {
        if (SafeFile.TryRead(path, MaxSize, out byte[] content, out _, out _))
        {
            Dictionary<string, uint?> owners = new(StringComparer.Ordinal) { ["root"] = 0 };
            foreach (string name in NamesIn(Encoding.Latin1.GetString(content)))
            {
                if (database.TryFindUser(name, out UserEntry? user))
                {
                    owners[name] = user?.Uid;
                }
                else if (_owners.TryGetValue(name, out uint? before))
                {
                    owners[name] = before;
                }
            }

            _owners = owners;
        }

        UseFile();
    }

    public void Dispose() => _watcher?.Dispose();

    /// <summary>
    /// Returns the lines that are valid: a user's name or number, the first uid and how many, with colons between. The
    /// uids of a name that has not been looked up count as one user: as the first of them.
    /// </summary>
    /// <param name="text">The file's content.</param>
    /// <param name="owners">The names that were looked up; null for a name that no user has.</param>
    internal static IEnumerable<SubordinateUids> Parse(string text, IReadOnlyDictionary<string, uint?> owners)
    {
        var others = new Dictionary<string, uint>(StringComparer.Ordinal);
        foreach ((string user, uint first, uint count) in Lines(text))
        {
            uint? owner = null;
            if (TryParse(user, out uint number))
            {
                owner = number;
            }
            else if (!owners.TryGetValue(user, out owner))
            {
                others.TryAdd(user, first);
                owner = others[user];
            }

            if (owner is { } uid)
            {
                yield return new SubordinateUids(first, count, uid);
            }
        }
    }

    private static IEnumerable<string> NamesIn(string text) =>
        Lines(text).Select(line => line.User).Where(user => !TryParse(user, out _)).Distinct(StringComparer.Ordinal);

    private static IEnumerable<(string User, uint First, uint Count)> Lines(string text)
    {
        foreach (string line in text.Split('\n'))
        {
            if (line.Split(':') is [var user, var start, var length]
                && TryParse(start, out uint first) && TryParse(length, out uint count))
            {
                yield return (user, first, count);
            }
        }
    }

    private static bool TryParse(string text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    /// <summary>Takes the ranges from the file as it is now, with the names that are known.</summary>
    private void UseFile()
    {
        lock (_gate)
        {
            if (SafeFile.TryRead(path, MaxSize, out byte[] content, out Errno error, out string problem))
            {
                payers.Use(Parse(Encoding.Latin1.GetString(content), _owners));
            }
            else if (error != Errno.ENOENT && problem != _problem)
            {
                log.Warning("subordinate uids count as users of their own: {Problem}", problem);
            }

            _problem = problem;
        }
    }
}
