using System.Collections.Concurrent;
using System.Globalization;
using Serilog;
using TpmFs.Configuration;
using TpmFs.Domains;
using TpmFs.Nodes;

namespace TpmFs.Users;

/// <summary>
/// Who is who: turns the configuration's names into numbers, again and again, since users and groups come and go. A thread of its own asks; all
/// others see what it found last.
/// </summary>
internal sealed class UserPlans : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(5);

    /// <summary>Names that may wait to be looked up: anybody can ask for any.</summary>
    private const int MaxWantedNames = 64;

    private readonly ConcurrentDictionary<string, uint> uids = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<uint, UserEntry> users = new();
    private readonly ConcurrentQueue<uint> wanted = new();
    private readonly ConcurrentDictionary<string, byte> wantedNames = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> unexplained = new();
    private readonly Dictionary<string, IReadOnlyList<UserEntry>> granted = new(StringComparer.Ordinal); // the thread's
    private readonly AutoResetEvent wake = new(false);
    private readonly ManualResetEventSlim resolved = new();
    private readonly IUserDatabase database;
    private readonly Access root;
    private readonly ILogger log;
    private readonly Thread thread;
    private volatile Settings settings;
    private volatile Action<ResolvedPlans>? found;
    private volatile bool isStale;
    private volatile bool stopping;

    /// <param name="root">Whose the tree is.</param>
    public UserPlans(IUserDatabase database, Settings settings, Access root, ILogger log)
    {
        this.database = database;
        this.settings = settings;
        this.root = root;
        this.log = log;
        thread = new Thread(Run) { IsBackground = true, Name = "users" };
    }

    /// <summary>Begins to ask. <paramref name="tell"/> is called by the thread, each time with everything.</summary>
    /// <param name="patience">How long to wait for the first answer; the rest comes when it comes.</param>
    public void Start(Action<ResolvedPlans> tell, TimeSpan patience)
    {
        found = tell;
        thread.Start();
        if (!resolved.Wait(patience))
        {
            log.Warning("the system's users and groups are slow to answer; users' directories appear when they have");
        }
    }

    /// <summary>The configuration is another now.</summary>
    public void Use(Settings changed)
    {
        settings = changed;
        isStale = true;
        wake.Set();
    }

    /// <summary>The number of a user; null while it is not known. A name that was not asked for before is looked up, by and by.</summary>
    public uint? UidOf(string name)
    {
        if (uids.TryGetValue(name, out var uid))
        {
            return uid;
        }

        if (wantedNames.Count < MaxWantedNames && SettingsKeys.UserName().IsMatch(name) && wantedNames.TryAdd(name, 0))
        {
            wake.Set();
        }

        return null;
    }

    /// <summary>A user's domain that was made with mkdir.</summary>
    public DomainPlan OfMade(uint uid) => DomainPlan.OfUser(uid, users.TryGetValue(uid, out var user) ? user.Gid : uid, settings.LimitsOf(null));

    /// <summary>A domain that was made with mkdir.</summary>
    public DomainPlan OfMadeDomain() => DomainPlan.OfMade(root.Uid, root.Gid, Access.Permissions, settings.LimitsOf(null));

    /// <summary>Finds a user's name and group, by and by.</summary>
    public void LookUp(uint uid)
    {
        wanted.Enqueue(uid);
        wake.Set();
    }

    /// <summary>Tells the administrator, by and by, what to type instead of a name.</summary>
    public void Explain(string name)
    {
        unexplained.Enqueue(name);
        wake.Set();
    }

    /// <summary>The thread may be waiting for a directory server; it is not waited for.</summary>
    public void Dispose()
    {
        stopping = true;
        wake.Set();
    }

    private void Run()
    {
        var woken = false;
        var plans = ResolvedPlans.None;
        while (!stopping)
        {
            ExplainAll();
            if (!woken || isStale)
            {
                isStale = false; // before the settings are read: those that come now are resolved next
                uids.Clear();
                var current = settings;
                plans = new ResolvedPlans(ResolveUsers(current), ResolveDomains(current));
                FindWanted();
                found!(plans);
            }
            else if (FindWanted())
            {
                found!(plans);
            }

            resolved.Set();
            woken = wake.WaitOne(Period);
        }
    }

    private void ExplainAll()
    {
        while (unexplained.TryDequeue(out var name))
        {
            if (database.TryFindUser(name, out var user) && user is not null)
            {
                log.Warning("mkdir users/{Name}: a user's directory is named by number, so type mkdir users/{NewUid}", name, user.Uid);
            }
            else
            {
                log.Warning("mkdir users/{Name}: a user's directory is named by the user's number, and there is no user of this name", Text.Printable(name));
            }
        }
    }

    /// <summary>Whether more is known of somebody's number now.</summary>
    private bool FindWanted()
    {
        foreach (var name in wantedNames.Keys)
        {
            if (database.TryFindUser(name, out var named) && named is not null)
            {
                Remember(named);
            }

            wantedNames.TryRemove(name, out _);
        }

        var isMore = false;
        while (wanted.TryDequeue(out var uid))
        {
            if (database.TryFindUser(uid, out var user) && user is not null)
            {
                Remember(user);
                isMore = true;
            }
        }

        return isMore;
    }

    /// <summary>A user who is named goes before a group that the user is in, and a group before a later one.</summary>
    private Dictionary<string, DomainPlan> ResolveUsers(Settings current)
    {
        var plans = new Dictionary<string, DomainPlan>(StringComparer.Ordinal);
        foreach (var (grantee, said) in current.Users.OrderBy(entry => entry.Key[0] == '@'))
        {
            if (TryFind(grantee, out var entries))
            {
                granted[grantee] = entries;
            }
            else
            {
                log.Warning("the system's users could not be asked for {Grantee}; what was known stays", grantee);
            }

            foreach (var user in granted.GetValueOrDefault(grantee, []))
            {
                Remember(user);
                plans.TryAdd(user.Uid.ToString(CultureInfo.InvariantCulture), DomainPlan.OfUser(user.Uid, user.Gid, current.LimitsOf(said)));
            }
        }

        return plans;
    }

    private bool TryFind(string grantee, out IReadOnlyList<UserEntry> entries)
    {
        entries = [];
        bool asked;
        if (grantee[0] == '@')
        {
            asked = database.TryFindMembers(grantee[1..], out var members);
            entries = members ?? [];
            WarnOfNobody(grantee, asked && members is null);
            return asked;
        }

        if (uint.TryParse(grantee, NumberStyles.None, CultureInfo.InvariantCulture, out var uid))
        {
            asked = database.TryFindUser(uid, out var numbered);
            entries = [numbered ?? new UserEntry(grantee, uid, uid)];
            return asked;
        }

        asked = database.TryFindUser(grantee, out var user);
        entries = user is null ? [] : [user];
        WarnOfNobody(grantee, asked && user is null);
        return asked;
    }

    private void WarnOfNobody(string grantee, bool isNobody)
    {
        if (isNobody && (!granted.TryGetValue(grantee, out var before) || before.Count > 0))
        {
            log.Warning("the configuration grants {Grantee} a directory, and there is no such user or group", grantee);
        }
    }

    private Dictionary<string, DomainPlan> ResolveDomains(Settings current)
    {
        var plans = new Dictionary<string, DomainPlan>(StringComparer.Ordinal);
        foreach (var (name, said) in current.Domains)
        {
            plans.Add(
                name,
                DomainPlan.OfConfigured(
                    Number(said.Owner, owner => database.TryFindUser(owner, out var user) ? user?.Uid : null) ?? root.Uid,
                    Number(said.Group, group => database.TryFindGroup(group, out var gid) ? gid : null) ?? root.Gid,
                    said.Mode,
                    current.LimitsOf(said)));
        }

        return plans;
    }

    /// <summary>Null where nobody was named, and where the one who was is not to be found: then the directory is root's.</summary>
    private uint? Number(string? name, Func<string, uint?> find)
    {
        if (name is null)
        {
            return null;
        }

        if (uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return number;
        }

        var numbered = find(name);
        if (numbered is null)
        {
            log.Warning("the configuration gives a domain to {Name}, who is not to be found; it is root's until then", name);
        }

        return numbered;
    }

    private void Remember(UserEntry user)
    {
        users[user.Uid] = user;
        uids[user.Name] = user.Uid;
    }
}

/// <summary>What the configuration comes to, by the directories' names.</summary>
internal sealed record ResolvedPlans(IReadOnlyDictionary<string, DomainPlan> Users, IReadOnlyDictionary<string, DomainPlan> Domains)
{
    public static readonly ResolvedPlans None = new(new Dictionary<string, DomainPlan>(), new Dictionary<string, DomainPlan>());
}
