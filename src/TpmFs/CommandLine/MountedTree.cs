using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using TpmFs.Fuse.Mount;
using TpmFs.Host;

namespace TpmFs.CommandLine;

/// <summary>A tree that some daemon serves, used as anybody uses it: by its files.</summary>
internal sealed partial class MountedTree
{
    private const string MadeDomains = "domains";
    private const string TreeType = "fuse.tpmfs";
    private static readonly string[] s_collections = ["users", MadeDomains];

    private MountedTree(string path) => Path = path;

    public string Path { get; }

    /// <summary>
    /// The domains that there are for this user, the root first; the names are those of the tree. One that may not be
    /// looked into is left out when it is read.
    /// </summary>
    public IEnumerable<string> Domains =>
        ["", .. s_collections.SelectMany(List)];

    /// <summary>Gets the mount point of this user's daemon. A user without one means the system's daemon.</summary>
    private static string[] OwnMountPoint =>
        Places.TryFind(
            null, "/", Environment.IsPrivilegedProcess, Environment.GetEnvironmentVariable, out Places? own, out _)
            ? [own.MountPoint] : [];

    /// <param name="directory">The mount point of the command line, or null.</param>
    public static bool TryFind(string? directory, [NotNullWhen(true)] out MountedTree? tree, out string problem)
    {
        tree = null;
        string[] candidates = Candidates(directory);
        if (candidates.Select(WhyNotTrusted).FirstOrDefault(wrong => wrong.Length > 0) is { } untrusted)
        {
            problem = untrusted;
            return false;
        }

        if (Array.Find(
            candidates, candidate => File.Exists(System.IO.Path.Combine(candidate, "status"))) is not { } found)
        {
            problem = Array.Find(candidates, IsMounted) is { } dead
                ? $"{WhyDead(dead)}; {HowToRevive(dead)}"
                : $"no TPM is mounted at {string.Join(" or ", candidates.Distinct())}; start one with 'tpmfs mount', "
                    + "or name the daemon's mount point with --mount DIR";
            return false;
        }

        problem = "";
        tree = new MountedTree(found);
        return true;
    }

    /// <summary>Returns where a daemon may be mounted, the likeliest place first.</summary>
    /// <param name="directory">The mount point of the command line, or null.</param>
    public static string[] Candidates(string? directory) =>
        directory is not null ? [Links.Resolve(directory)] : [.. OwnMountPoint, Places.SystemMountPoint];

    /// <summary>True when some daemon, which may have ended since, has mounted at a place.</summary>
    public static bool IsMounted(string path) =>
        TopmostAt(MountInfo.ReadAll(), path) is { Type: TreeType };

    /// <summary>Returns what is wrong with a mount whose files cannot be read.</summary>
    public static string WhyDead(string path) => $"nobody serves {path} any more: its daemon was killed";

    /// <summary>Returns what to do about a mount whose daemon was killed.</summary>
    public static string HowToRevive(string path) =>
        $"start tpmfs again, which takes the dead mount off (systemctl restart tpmfs), or umount --lazy {path}";

    /// <summary>
    /// Returns why what is at a place cannot be trusted to be a daemon's tree; empty when it can, or nothing is there.
    /// Another user who mounted it, or made the directory, could show any text there, and have any file put into
    /// containers.
    /// </summary>
    public static string WhyNotTrusted(string path)
    {
        IReadOnlyList<MountInfo> mounts = MountInfo.ReadAll();
        MountInfo? mount = TopmostAt(mounts, path);
        if (mount?.User is { } user && !Trust.MayHoldParents(user))
        {
            return $"user {user} mounted {path}, and decides all that is in it. Only that user can use it: sudo "
                + $"--user=#{user} tpmfs ...";
        }

        if (mount is { Type: TreeType })
        {
            if (FindForeign(mounts, path) is { } foreign)
            {
                return $"user {foreign.User} mounted {foreign.MountPoint}, and decides all that is in it. Take it off: "
                    + $"umount --lazy {foreign.MountPoint}";
            }

            return ""; // Its daemon may hang, so nothing is asked of it here.
        }

        bool isOurs = SafeDirectory.TryOpen(
            path, creates: false, out SafeDirectory? directory, out Errno error, out string problem);
        directory?.Dispose();
        return isOurs || error.IsError ? "" : problem;
    }

    /// <summary>
    /// Returns a mount of a user who is not trusted, over a directory of the tree that this program reads; null when
    /// there is none. The kernel takes off a mount over a file by itself, as soon as the file is looked up.
    /// </summary>
    internal static MountInfo? FindForeign(IReadOnlyList<MountInfo> mounts, string path) => mounts.FirstOrDefault(
        mount => mount.User is { } user && !Trust.MayHoldParents(user)
            && mount.MountPoint.StartsWith(path + "/", StringComparison.Ordinal)
            && mount.MountPoint[(path.Length + 1)..].Split('/') is { Length: 1 or 2 } steps
            && s_collections.Contains(steps[0]));

    /// <summary>The openers of every domain that this user may look into.</summary>
    public IEnumerable<OpenerLine> Openers() => Domains.SelectMany(domain =>
        TryRead(At(domain, "openers"), out string? text, out _)
            ? text.Split('\n').Select(line => OpenerLine.Read(domain, line)).OfType<OpenerLine>() : []);

    /// <summary>A domain's statistics by key; null where this user may not see them.</summary>
    public IReadOnlyDictionary<string, long>? Statistics(string domain) =>
        !TryRead(At(domain, "stat"), out string? text, out _) ? null
        : text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))
            .Where(
                pair =>
                    pair.Length == 2 && long.TryParse(pair[1], NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .ToDictionary(pair => pair[0], pair => long.Parse(pair[1], CultureInfo.InvariantCulture));

    /// <summary>Lists the domains that an administrator made, each as "domains/name".</summary>
    /// <returns>False when this user may not list them.</returns>
    public bool TryListMadeDomains(out IReadOnlyList<string> domains, out string problem)
    {
        (domains, problem) = ([], "");
        try
        {
            domains = Entries(MadeDomains);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = e is UnauthorizedAccessException ? Errno.EACCES.Text() : e.Message.TrimEnd('.');
            return false;
        }
    }

    /// <summary>Returns the paths of a domain's managed nodes by the number of their TPM.</summary>
    public IReadOnlyDictionary<int, string> ManagedNodes(string domain)
    {
        const string Prefix = "rm";
        var nodes = new Dictionary<int, string>();
        try
        {
            foreach (string node in Directory.EnumerateFiles(System.IO.Path.Combine(Path, domain), Prefix + "*"))
            {
                if (int.TryParse(
                    System.IO.Path.GetFileName(node.AsSpan())[Prefix.Length..], NumberStyles.None,
                    CultureInfo.InvariantCulture, out int number))
                {
                    nodes.Add(number, node);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            nodes.Clear(); // The domain was removed meanwhile.
        }

        return nodes;
    }

    /// <summary>Returns the paths of the character devices that there are, by their nodes' places.</summary>
    public IReadOnlyDictionary<string, string> Devices()
    {
        var devices = new Dictionary<string, string>(StringComparer.Ordinal);
        _ = TryRead("status", out string text, out _);
        foreach (Match line in DeviceLine().Matches(text))
        {
            devices.TryAdd(line.Groups["node"].Value, line.Groups["device"].Value);
        }

        return devices;
    }

    public bool TryRead(string file, out string text, out string problem)
    {
        (text, problem) = ("", "");
        try
        {
            text = File.ReadAllText(System.IO.Path.Combine(Path, file));
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = e.Message;
            return false;
        }
    }

    /// <summary>Gives a control file one order.</summary>
    /// <returns>The error that the file answers.</returns>
    public Errno Order(string file, string order)
    {
        try
        {
            using var stream = new FileStream(
                System.IO.Path.Combine(Path, file), FileMode.Open, FileAccess.Write, FileShare.ReadWrite,
                bufferSize: 0);
            stream.Write(Encoding.ASCII.GetBytes(order + "\n"));
            return Errno.None;
        }
        catch (IOException e)
        {
            return new Errno(e.HResult); // .NET puts the errno there.
        }
        catch (UnauthorizedAccessException)
        {
            return Errno.EACCES;
        }
    }

    public static string At(string domain, string file) => domain.Length == 0 ? file : $"{domain}/{file}";

    [GeneratedRegex(@"^device +(?<device>/dev/\S+) is (?<node>\S+)$", RegexOptions.Multiline)]
    private static partial Regex DeviceLine();

    private static MountInfo? TopmostAt(IReadOnlyList<MountInfo> mounts, string path) =>
        mounts.LastOrDefault(mount => mount.MountPoint == path);

    private IEnumerable<string> List(string collection)
    {
        try
        {
            return Entries(collection);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Returns the directories in a collection, each as "collection/name".</summary>
    /// <exception cref="IOException">It cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not list it.</exception>
    private string[] Entries(string collection) =>
        [.. Directory.EnumerateDirectories(System.IO.Path.Combine(Path, collection))
            .Select(name => $"{collection}/{System.IO.Path.GetFileName(name)}").Order(StringComparer.Ordinal)];
}

/// <summary>A line of an openers file.</summary>
internal sealed class OpenerLine
{
    /// <summary>The columns, in the order in which they stand in the line.</summary>
    private static readonly string[] s_columns =
    [
        "id", "uid", "pid", "command", "node", "locality", "objects", "sessions", "commands", "age", "state", "since",
        "tpm_command", "reads", "unread", "door",
    ];

    private readonly string[] _words;

    private OpenerLine(string domain, ulong id, string[] words) => (Domain, Id, _words) = (domain, id, words);

    public string Domain { get; }

    public ulong Id { get; }

    /// <summary>Gets the word in a column.</summary>
    public string this[string column] => _words[Array.IndexOf(s_columns, column)];

    /// <summary>Reads a line.</summary>
    /// <returns>Null for what is no such line.</returns>
    public static OpenerLine? Read(string domain, string line) =>
        line.Split(' ') is var words && words.Length >= s_columns.Length
        && ulong.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out ulong id)
            ? new OpenerLine(domain, id, words)
            : null;
}
