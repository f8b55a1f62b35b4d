using Serilog;
using TpmFs.Configuration;
using TpmFs.Controls;
using TpmFs.Domains;
using TpmFs.Logs;
using TpmFs.Nodes;
using TpmFs.Openers;
using TpmFs.Power;
using TpmFs.State;
using TpmFs.Status;
using TpmFs.Users;

namespace TpmFs.Life;

/// <summary>The tree that a daemon serves, from the configuration and from what was changed at run time.</summary>
internal sealed class Tree : IDisposable
{
    private static readonly TimeSpan s_patienceWithUsers = TimeSpan.FromSeconds(5);

    private readonly UnreadAnswers _unread;
    private readonly UserResolver _resolver;
    private readonly TreeParts _parts;
    private readonly RootDirectory _root;
    private readonly UsersDirectory _users;
    private readonly MadeDomains _domains;
    private readonly Suspension _suspension;

    /// <param name="tpms">By their numbers.</param>
    /// <param name="sleepers">The same, as those who have to be told when the machine sleeps.</param>
    /// <param name="owner">Whose the root directory is.</param>
    /// <param name="managed">Whose the managed nodes are.</param>
    public Tree(
        IReadOnlyList<TpmPort> tpms,
        IReadOnlyList<ISuspendable> sleepers,
        DaemonStatus status,
        Settings settings,
        Access owner,
        Access managed,
        IUserDatabase database,
        StateKeeper state,
        TimeProvider time,
        ILogger log)
    {
        _unread = new UnreadAnswers(time);
        var notifier = new PollNotifier();
        var table = new NodeTable(time);
        _parts =
            new TreeParts(table, owner, tpms, new OpenerContext(time, _unread, new AnswerPool(), notifier, log), state);
        ControlContext controls = _parts.Controls;
        _resolver = new UserResolver(database, settings, owner, time, log);
        _root = new RootDirectory(_parts, new DomainPlan(owner, managed, settings.RootLimits));
        _users = new UsersDirectory(_parts, _root, _resolver);
        _domains = new MadeDomains(_parts, _root, _ => _resolver.OfMadeDomain());
        _root.TryAdd("users", _users);
        _root.TryAdd("domains", _domains);
        _root.TryAdd("self", new SelfLink(table, owner, _users));
        _root.TryAdd("status", new StatusFile(table, controls, status));
        _root.TryAdd("metrics", new MetricsFile(table, controls, status));
        _suspension = new Suspension(sleepers, time, log);
        _root.TryAdd("power", new PowerFile(table, controls, _suspension));
        status.Show(() => Domains);
        FileSystem = new TreeFileSystem(table, notifier, owner.Uid, log);
        Apply(ResolvedPlans.None, Audit.None); // what was made with mkdir waits for nobody's name
        foreach (DomainDirectory user in _users.Domains)
        {
            _resolver.LookUp(user.Access.Uid);
        }

        Audit audit = Audit.None; // what comes first is what there is from the start
        _resolver.Start(
            resolved =>
            {
                Apply(resolved, audit);
                audit = Audit.OfConfiguration(log);
            },
            s_patienceWithUsers);
    }

    public TreeFileSystem FileSystem { get; }

    /// <summary>Every domain, the root first.</summary>
    private IEnumerable<Domain> Domains =>
        [_root.Domain, .. _users.Domains.Select(user => user.Domain), .. _domains.Domains.Select(made => made.Domain)];

    /// <summary>The configuration is another now. Users' names are looked up by and by.</summary>
    public void Configure(Settings settings, Access managed)
    {
        _root.Configure(new DomainPlan(_parts.Root, managed, settings.RootLimits), Audit.OfConfiguration(_parts.Log));
        _resolver.Use(settings);
    }

    public void Dispose()
    {
        _suspension.Dispose();
        _resolver.Dispose();
        _unread.Dispose();
    }

    private void Apply(ResolvedPlans resolved, Audit audit)
    {
        _users.Configure(resolved.Users, audit);
        _domains.Configure(resolved.Domains, audit);
    }
}
