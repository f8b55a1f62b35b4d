using Serilog;
using TpmFs.Configuration;
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
    private static readonly TimeSpan PatienceWithUsers = TimeSpan.FromSeconds(5);

    private readonly UnreadAnswers unread;
    private readonly UserPlans plans;
    private readonly TreeParts parts;
    private readonly RootDirectory root;
    private readonly UsersDirectory users;
    private readonly MadeDomains domains;
    private readonly Suspension suspension;

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
        unread = new UnreadAnswers(time);
        var notifier = new PollNotifier();
        var table = new NodeTable(time);
        parts = new TreeParts(table, owner, tpms, new OpenerContext(time, unread, new AnswerPool(), notifier, log), state);
        plans = new UserPlans(database, settings, owner, log);
        root = new RootDirectory(parts, new DomainPlan(owner, managed, settings.RootLimits));
        users = new UsersDirectory(parts, root, plans);
        domains = new MadeDomains(parts, root, _ => plans.OfMadeDomain());
        root.TryAdd("users", users);
        root.TryAdd("domains", domains);
        root.TryAdd("self", new SelfLink(table, owner, users));
        root.TryAdd("status", new StatusFile(table, owner, status));
        root.TryAdd("metrics", new MetricsFile(table, owner, status));
        suspension = new Suspension(sleepers, time, log);
        root.TryAdd("power", new PowerFile(table, owner, suspension));
        status.Show(() => Domains);
        FileSystem = new TreeFileSystem(table, notifier, log);
        Apply(ResolvedPlans.None, Audit.None); // what was made with mkdir waits for nobody's name
        foreach (var user in users.Domains)
        {
            plans.LookUp(user.Access.Uid);
        }

        var audit = Audit.None; // what comes first is what there is from the start
        plans.Start(
            resolved =>
            {
                Apply(resolved, audit);
                audit = Audit.OfConfiguration(log);
            },
            PatienceWithUsers);
    }

    public TreeFileSystem FileSystem { get; }

    /// <summary>Every domain, the root first.</summary>
    private IEnumerable<Domain> Domains => [root.Domain, .. users.Domains.Select(user => user.Domain), .. domains.Domains.Select(made => made.Domain)];

    /// <summary>The configuration is another now. Users' names are looked up by and by.</summary>
    public void Configure(Settings settings, Access managed)
    {
        root.Configure(new DomainPlan(parts.Root, managed, settings.RootLimits), Audit.OfConfiguration(parts.Log));
        plans.Use(settings);
    }

    public void Dispose()
    {
        suspension.Dispose();
        plans.Dispose();
        unread.Dispose();
    }

    private void Apply(ResolvedPlans resolved, Audit audit)
    {
        users.Configure(resolved.Users, audit);
        domains.Configure(resolved.Domains, audit);
    }
}
