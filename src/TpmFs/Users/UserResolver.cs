using System.Collections.Concurrent;
using Serilog;
using TpmFs.Configuration;
using TpmFs.Permissions;
using TpmFs.Policy;

namespace TpmFs.Users;

/// <summary>
/// Turns the names of users and groups into numbers: those of the configuration every five minutes, since users and
/// groups come and go, and those that users look up below users/. One thread asks the system, which may take long; all
/// other threads see the last result.
/// </summary>
internal sealed class UserResolver : IDisposable
{
    /// <summary>The time between two look-ups of the configuration's names. No user's action changes it.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromMinutes(5);

    /// <summary>The most names of mkdir that may wait to be explained.</summary>
    private const int MaxUnexplained = 64;

    private readonly ConcurrentDictionary<string, uint> _uids = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<uint, UserEntry> _users = new();
    private readonly ConcurrentDictionary<uint, byte> _wantedUsers = new();
    private readonly ConcurrentDictionary<uint, byte> _askedUsers = new(); // since the last look-up of all
    private readonly ConcurrentQueue<string> _unexplained = new();
    private readonly AutoResetEvent _wake = new(false);
    private readonly ManualResetEventSlim _resolved = new();
    private readonly IUserDatabase _database;
    private readonly GrantResolver _grants;
    private readonly WantedNames _wantedNames;
    private readonly Payers _payers;
    private readonly SubordinateUsers _subordinates;
    private readonly Access _root;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Thread _thread;
    private ITimer? _period;
    private ITimer? _nextName;
    private ResolvedPlans _plans = ResolvedPlans.None; // The thread's.
    private volatile Settings _settings;
    private volatile Action<ResolvedPlans>? _found;
    private volatile bool _isDue = true;
    private volatile bool _stopping;

    /// <param name="database">Knows the system's users.</param>
    /// <param name="payers">Learns to which users the system gives subordinate uids.</param>
    /// <param name="settings">The configuration.</param>
    /// <param name="root">The owner of the tree.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Learns of names that cannot be found.</param>
    public UserResolver(
        IUserDatabase database, Payers payers, Settings settings, Access root, TimeProvider time, ILogger log)
    {
        _database = database;
        _settings = settings;
        _root = root;
        _time = time;
        _log = log;
        _grants = new GrantResolver(database, root, Remember, log);
        _wantedNames = new WantedNames(time);
        _payers = payers;
        _subordinates = new SubordinateUsers(SubordinateUsers.SystemPath, database, payers, log);
        _thread = new Thread(Run) { IsBackground = true, Name = "users" };
    }

    /// <summary>Begins to look names up.</summary>
    /// <param name="tell">Called by the thread, each time with everything that is known.</param>
    /// <param name="patience">The time to wait for the first result.</param>
    public void Start(Action<ResolvedPlans> tell, TimeSpan patience)
    {
        _found = tell;
        _nextName = _time.CreateTimer(_ => _wake.Set(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _period = _time.CreateTimer(_ => PeriodEnds(), null, Period, Timeout.InfiniteTimeSpan);
        _subordinates.Watch(ResolveSoon);
        _thread.Start();
        if (!_resolved.Wait(patience))
        {
            _log.Warning(
                "the system is slow to look up users and groups; users' directories appear when it has answered");
        }
    }

    /// <summary>Resolves another configuration from now on.</summary>
    public void Use(Settings changed)
    {
        _settings = changed;
        ResolveSoon();
    }

    /// <summary>Returns the number of a user. A name that is not known yet is looked up later.</summary>
    /// <param name="name">The user's name.</param>
    /// <param name="asker">The uid of whoever asks.</param>
    /// <returns>Null while the number is not known.</returns>
    public uint? UidOf(string name, uint asker)
    {
        if (_uids.TryGetValue(name, out uint uid))
        {
            return uid;
        }

        if (SettingsKeys.UserName().IsMatch(name) && _wantedNames.Add(_payers.Of(asker), name))
        {
            _wake.Set();
        }

        return null;
    }

    /// <summary>Returns the plan of a user's domain that was made with mkdir.</summary>
    public DomainPlan OfMade(uint uid) =>
        DomainPlan.OfUser(uid, _users.TryGetValue(uid, out UserEntry? user) ? user.Gid : uid, _settings.LimitsOf(null));

    /// <summary>Returns the plan of a domain that was made with mkdir.</summary>
    public DomainPlan OfMadeDomain() =>
        DomainPlan.OfMade(_root.Uid, _root.Gid, Access.Permissions, _settings.LimitsOf(null));

    /// <summary>
    /// Looks a user's name and group up, later: once in each <see cref="Period"/>, however often that user's directory
    /// is made, and never for a subordinate uid, which has no name.
    /// </summary>
    public void LookUp(uint uid)
    {
        if (_payers.Of(uid) == uid && _askedUsers.TryAdd(uid, 0))
        {
            _wantedUsers[uid] = 0;
            _wake.Set();
        }
    }

    /// <summary>Tells the administrator who typed it, later, what to type instead of a name.</summary>
    public void Explain(string name)
    {
        if (_unexplained.Count < MaxUnexplained)
        {
            _unexplained.Enqueue(name);
            _wake.Set();
        }
    }

    /// <summary>Stops looking up. Does not wait for the thread, which may be waiting for a directory server.</summary>
    public void Dispose()
    {
        _stopping = true;
        _period?.Dispose();
        _nextName?.Dispose();
        _subordinates.Dispose();
        _wake.Set();
    }

    private void PeriodEnds()
    {
        _period!.Change(Period, Timeout.InfiniteTimeSpan);
        ResolveSoon();
    }

    private void ResolveSoon()
    {
        _isDue = true;
        _wake.Set();
    }

    /// <summary>
    /// Looks up the names that are wanted, one at a time: a directory server may take its time for each, and the
    /// configuration's names do not wait for names that any user asks for. Names that users look up have a pace of
    /// their own, and go before the users whose directories are made.
    /// </summary>
    private void Run()
    {
        while (!_stopping)
        {
            if (_isDue)
            {
                _isDue = false; // Before the settings are read: those that come now are resolved next.
                Resolve(_settings);
                _resolved.Set();
            }
            else if (!ExplainOne() && !FindOneName() && !FindOneUser())
            {
                _wake.WaitOne();
            }
        }
    }

    private void Resolve(Settings settings)
    {
        _uids.Clear();
        _askedUsers.Clear();
        _wantedNames.ForgetUnknown();
        _subordinates.Read();
        _plans = _grants.Resolve(settings);
        _found!(_plans);
    }

    private bool ExplainOne()
    {
        if (!_unexplained.TryDequeue(out string? name))
        {
            return false;
        }

        string shown = Text.Printable(name);
        if (_database.TryFindUser(name, out UserEntry? user) && user is not null)
        {
            _log.Warning(
                "mkdir users/{Name}: a user's directory is named by the user's number, so type mkdir users/{NewUid}",
                shown, user.Uid);
        }
        else
        {
            _log.Warning(
                "mkdir users/{Name}: a user's directory is named by the user's number, and there is no user of that "
                    + "name", shown);
        }

        return true;
    }

    private bool FindOneUser()
    {
        if (_wantedUsers.Keys.Cast<uint?>().FirstOrDefault() is not { } uid)
        {
            return false;
        }

        _wantedUsers.TryRemove(uid, out _);
        if (_database.TryFindUser(uid, out UserEntry? user) && user is not null)
        {
            Remember(user);
            _found!(_plans);
        }

        return true;
    }

    private bool FindOneName()
    {
        if (!_wantedNames.TryTake(out string? name, out TimeSpan wait))
        {
            _nextName!.Change(wait, Timeout.InfiniteTimeSpan);
            return false;
        }

        if (_database.TryFindUser(name, out UserEntry? user) && user is not null)
        {
            _uids[user.Name] = user.Uid;
        }
        else
        {
            _wantedNames.AddUnknown(name);
        }

        return true;
    }

    private void Remember(UserEntry user)
    {
        _users[user.Uid] = user;
        _uids[user.Name] = user.Uid;
    }
}
