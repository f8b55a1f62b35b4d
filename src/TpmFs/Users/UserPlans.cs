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
    private static readonly TimeSpan s_period = TimeSpan.FromMinutes(5);

    /// <summary>Names that may wait to be looked up: anybody can ask for any.</summary>
    private const int MaxWantedNames = 64;

    private readonly ConcurrentDictionary<string, uint> _uids = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<uint, UserEntry> _users = new();
    private readonly ConcurrentQueue<uint> _wanted = new();
    private readonly ConcurrentDictionary<string, byte> _wantedNames = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _unexplained = new();
    private readonly Dictionary<string, IReadOnlyList<UserEntry>> _granted = new(StringComparer.Ordinal); // the thread's
    private readonly AutoResetEvent _wake = new(false);
    private readonly ManualResetEventSlim _resolved = new();
    private readonly IUserDatabase _database;
    private readonly Access _root;
    private readonly ILogger _log;
    private readonly Thread _thread;
    private volatile Settings _settings;
    private volatile Action<ResolvedPlans>? _found;
    private volatile bool _isStale;
    private volatile bool _stopping;

    /// <param name="root">Whose the tree is.</param>
    public UserPlans(IUserDatabase database, Settings settings, Access root, ILogger log)
    {
        _database = database;
        _settings = settings;
        _root = root;
        _log = log;
        _thread = new Thread(Run) { IsBackground = true, Name = "users" };
    }

    /// <summary>Begins to ask. <paramref name="tell"/> is called by the thread, each time with everything.</summary>
    /// <param name="patience">How long to wait for the first answer; the rest comes when it comes.</param>
    public void Start(Action<ResolvedPlans> tell, TimeSpan patience)
    {
        _found = tell;
        _thread.Start();
        if (!_resolved.Wait(patience))
        {
            _log.Warning("the system's users and groups are slow to answer; users' directories appear when they have");
        }
    }

    /// <summary>The configuration is another now.</summary>
    public void Use(Settings changed)
    {
        _settings = changed;
        _isStale = true;
        _wake.Set();
    }

    /// <summary>The number of a user; null while it is not known. A name that was not asked for before is looked up, by and by.</summary>
    public uint? UidOf(string name)
    {
        if (_uids.TryGetValue(name, out uint uid))
        {
            return uid;
        }

        if (_wantedNames.Count < MaxWantedNames && SettingsKeys.UserName().IsMatch(name) && _wantedNames.TryAdd(name, 0))
        {
            _wake.Set();
        }

        return null;
    }

    /// <summary>A user's domain that was made with mkdir.</summary>
    public DomainPlan OfMade(uint uid) => DomainPlan.OfUser(uid, _users.TryGetValue(uid, out UserEntry? user) ? user.Gid : uid, _settings.LimitsOf(null));

    /// <summary>A domain that was made with mkdir.</summary>
    public DomainPlan OfMadeDomain() => DomainPlan.OfMade(_root.Uid, _root.Gid, Access.Permissions, _settings.LimitsOf(null));

    /// <summary>Finds a user's name and group, by and by.</summary>
    public void LookUp(uint uid)
    {
        _wanted.Enqueue(uid);
        _wake.Set();
    }

    /// <summary>Tells the administrator, by and by, what to type instead of a name.</summary>
    public void Explain(string name)
    {
        _unexplained.Enqueue(name);
        _wake.Set();
    }

    /// <summary>The thread may be waiting for a directory server; it is not waited for.</summary>
    public void Dispose()
    {
        _stopping = true;
        _wake.Set();
    }

    private void Run()
    {
        bool woken = false;
        ResolvedPlans plans = ResolvedPlans.None;
        while (!_stopping)
        {
            ExplainAll();
            if (!woken || _isStale)
            {
                _isStale = false; // before the settings are read: those that come now are resolved next
                _uids.Clear();
                Settings current = _settings;
                plans = new ResolvedPlans(ResolveUsers(current), ResolveDomains(current));
                FindWanted();
                _found!(plans);
            }
            else if (FindWanted())
            {
                _found!(plans);
            }

            _resolved.Set();
            woken = _wake.WaitOne(s_period);
        }
    }

    private void ExplainAll()
    {
        while (_unexplained.TryDequeue(out string? name))
        {
            if (_database.TryFindUser(name, out UserEntry? user) && user is not null)
            {
                _log.Warning("mkdir users/{Name}: a user's directory is named by number, so type mkdir users/{NewUid}", name, user.Uid);
            }
            else
            {
                _log.Warning("mkdir users/{Name}: a user's directory is named by the user's number, and there is no user of this name", Text.Printable(name));
            }
        }
    }

    /// <summary>Whether more is known of somebody's number now.</summary>
    private bool FindWanted()
    {
        foreach (string name in _wantedNames.Keys)
        {
            if (_database.TryFindUser(name, out UserEntry? named) && named is not null)
            {
                Remember(named);
            }

            _wantedNames.TryRemove(name, out _);
        }

        bool isMore = false;
        while (_wanted.TryDequeue(out uint uid))
        {
            if (_database.TryFindUser(uid, out UserEntry? user) && user is not null)
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
        foreach ((string? grantee, DomainSettings? said) in current.Users.OrderBy(entry => entry.Key[0] == '@'))
        {
            if (TryFind(grantee, out IReadOnlyList<UserEntry>? entries))
            {
                _granted[grantee] = entries;
            }
            else
            {
                _log.Warning("the system's users could not be asked for {Grantee}; what was known stays", grantee);
            }

            foreach (UserEntry? user in _granted.GetValueOrDefault(grantee, []))
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
            asked = _database.TryFindMembers(grantee[1..], out IReadOnlyList<UserEntry>? members);
            entries = members ?? [];
            WarnOfNobody(grantee, asked && members is null);
            return asked;
        }

        if (uint.TryParse(grantee, NumberStyles.None, CultureInfo.InvariantCulture, out uint uid))
        {
            asked = _database.TryFindUser(uid, out UserEntry? numbered);
            entries = [numbered ?? new UserEntry(grantee, uid, uid)];
            return asked;
        }

        asked = _database.TryFindUser(grantee, out UserEntry? user);
        entries = user is null ? [] : [user];
        WarnOfNobody(grantee, asked && user is null);
        return asked;
    }

    private void WarnOfNobody(string grantee, bool isNobody)
    {
        if (isNobody && (!_granted.TryGetValue(grantee, out IReadOnlyList<UserEntry>? before) || before.Count > 0))
        {
            _log.Warning("the configuration grants {Grantee} a directory, and there is no such user or group", grantee);
        }
    }

    private Dictionary<string, DomainPlan> ResolveDomains(Settings current)
    {
        var plans = new Dictionary<string, DomainPlan>(StringComparer.Ordinal);
        foreach ((string? name, DomainSettings? said) in current.Domains)
        {
            plans.Add(
                name,
                DomainPlan.OfConfigured(
                    Number(said.Owner, owner => _database.TryFindUser(owner, out UserEntry? user) ? user?.Uid : null) ?? _root.Uid,
                    Number(said.Group, group => _database.TryFindGroup(group, out uint? gid) ? gid : null) ?? _root.Gid,
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

        if (uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint number))
        {
            return number;
        }

        uint? numbered = find(name);
        if (numbered is null)
        {
            _log.Warning("the configuration gives a domain to {Name}, who is not to be found; it is root's until then", name);
        }

        return numbered;
    }

    private void Remember(UserEntry user)
    {
        _users[user.Uid] = user;
        _uids[user.Name] = user.Uid;
    }
}

/// <summary>What the configuration comes to, by the directories' names.</summary>
internal sealed record ResolvedPlans(IReadOnlyDictionary<string, DomainPlan> Users, IReadOnlyDictionary<string, DomainPlan> Domains)
{
    public static readonly ResolvedPlans None = new(new Dictionary<string, DomainPlan>(), new Dictionary<string, DomainPlan>());
}
