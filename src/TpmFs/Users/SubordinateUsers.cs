using System.Globalization;
using System.Text;
using Serilog;
using TpmFs.Policy;

namespace TpmFs.Users;

/// <summary>
/// Reads from /etc/subuid (subuid(5)) the users to whom the system gives subordinate uids. Used by one thread.
/// </summary>
/// <param name="database">Knows the system's users.</param>
/// <param name="payers">Learns of the uids.</param>
/// <param name="log">Learns why the file cannot be read.</param>
internal sealed class SubordinateUsers(IUserDatabase database, Payers payers, ILogger log)
{
    private const string Path = "/etc/subuid";
    private const int MaxSize = 16 << 20;

    private string _problem = "";

    /// <summary>Reads the file. Keeps the last ranges where that fails.</summary>
    public void Read()
    {
        if (SafeFile.TryRead(Path, MaxSize, out byte[] content, out Errno error, out string problem))
        {
            payers.Use(Parse(Encoding.Latin1.GetString(content), FindUid));
        }
        else if (error != Errno.ENOENT && problem != _problem)
        {
            log.Warning("subordinate uids count as users of their own: {Problem}", problem);
        }

        _problem = problem;
    }

    /// <summary>
    /// Returns the lines that are valid: a user's name or number, the first uid and how many, with colons between.
    /// </summary>
    internal static IEnumerable<SubordinateUids> Parse(string text, Func<string, uint?> find)
    {
        var owners = new Dictionary<string, uint?>(StringComparer.Ordinal);
        foreach (string line in text.Split('\n'))
        {
            if (line.Split(':') is not [var user, var start, var length]
                || !TryParse(start, out uint first) || !TryParse(length, out uint count))
            {
                continue;
            }

            if (!owners.TryGetValue(user, out uint? owner))
            {
                owners[user] = owner = TryParse(user, out uint number) ? number : find(user);
            }

            if (owner is { } uid)
            {
                yield return new SubordinateUids(first, count, uid);
            }
        }
    }

    private static bool TryParse(string text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private uint? FindUid(string name) => database.TryFindUser(name, out UserEntry? user) ? user?.Uid : null;
}
