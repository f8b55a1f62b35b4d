using Serilog;
using TpmFs.Configuration;
using TpmFs.Domains;
using TpmFs.Logs;
using TpmFs.Nodes;
using TpmFs.Openers;
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

    /// <param name="owner">Whose the root directory is.</param>
    /// <param name="rm0">Whose the managed node is.</param>
    public Tree(TpmPort tpm, DaemonStatus status, Settings settings, Access owner, Access rm0, IUserDatabase database, StateKeeper state, TimeProvider time, ILogger log)
    {
        unread = new UnreadAnswers(time);
        var notifier = new PollNotifier();
        var table = new NodeTable(time);
        parts = new TreeParts(table, owner, tpm, new OpenerContext(time, unread, notifier, log), state);
        plans = new UserPlans(database, settings, owner, log);
        root = new RootDirectory(parts, new DomainPlan(owner, rm0, settings.RootLimits));
        users = new UsersDirectory(parts, root, plans);
        domains = new MadeDomains(parts, root, _ => plans.OfMadeDomain());
        root.TryAdd("users", users);
        root.TryAdd("domains", domains);
        root.TryAdd("self", new SelfLink(table, owner, users));
        root.TryAdd("status", new StatusFile(table, owner, status));
        root.TryAdd("metrics", new MetricsFile(table, owner, status));
        status.Show(() => [root.Domain, .. users.Domains.Select(user => user.Domain), .. domains.Domains.Select(made => made.Domain)]);
        FileSystem = new TreeFileSystem(table, notifier, new Audit(log));
        Apply(ResolvedPlans.None); // what was made with mkdir waits for nobody's name
        foreach (var user in users.Domains)
        {
            plans.LookUp(user.Access.Uid);
        }

        plans.Start(Apply, PatienceWithUsers);
    }

    public TreeFileSystem FileSystem { get; }

    /// <summary>The configuration is another now. Users' names are looked up by and by.</summary>
    public void Configure(Settings settings, Access rm0)
    {
        root.Configure(new DomainPlan(parts.Root, rm0, settings.RootLimits));
        plans.Use(settings);
    }

    public void Dispose()
    {
        plans.Dispose();
        unread.Dispose();
    }

    private void Apply(ResolvedPlans resolved)
    {
        users.Configure(resolved.Users);
        domains.Configure(resolved.Domains);
    }
}
