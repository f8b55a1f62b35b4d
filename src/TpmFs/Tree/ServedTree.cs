using Serilog;
using TpmFs.Clients;
using TpmFs.Configuration;
using TpmFs.Doors.DBus;
using TpmFs.Doors.Fuse;
using TpmFs.Permissions;
using TpmFs.Policy;
using TpmFs.Power;
using TpmFs.State;
using TpmFs.Tree.Controls;
using TpmFs.Tree.Status;
using TpmFs.Users;

namespace TpmFs.Tree;

/// <summary>The tree that a daemon serves, made from the configuration and the changes of run time.</summary>
internal sealed class ServedTree : IDisposable
{
    private static readonly TimeSpan s_patienceWithUsers = TimeSpan.FromSeconds(5);

    private readonly ConversationContext _conversations;
    private readonly UserResolver _resolver;
    private readonly TreeParts _parts;
    private readonly RootDirectory _root;
    private readonly UsersDirectory _users;
    private readonly MadeDomains _domains;
    private readonly Suspension _suspension;
    private readonly PlanRecord _plans;

    /// <param name="tpms">The TPMs in it.</param>
    /// <param name="settings">The configuration.</param>
    /// <param name="owners">The owners and modes of the nodes at first.</param>
    /// <param name="surroundings">The parts of the machine that the tree uses.</param>
    public ServedTree(TreeTpms tpms, Settings settings, TreeOwners owners, TreeSurroundings surroundings)
    {
        (IUserDatabase database, StateKeeper state, TimeProvider time, ILogger log) = surroundings;
        _conversations = new ConversationContext(time, log, surroundings.Records) { Payers = surroundings.Payers };
        _plans = new PlanRecord(surroundings.Records);
        var notifier = new PollNotifier();
        var table = new NodeTable(time, surroundings.Records) { Payers = _conversations.Payers };
        _parts = new TreeParts(table, owners.Root, tpms.Ports, _conversations, notifier, state)
        {
            Watcher = surroundings.Watcher,
        };
        _resolver = new UserResolver(
            database, _conversations.Payers, settings, owners.Root, time, log);
        _root = new RootDirectory(_parts, new DomainPlan(owners.Root, owners.Managed, settings.RootLimits));
        _users = new UsersDirectory(_parts, _root, _resolver);
        _domains = new MadeDomains(_parts, _root, _ => _resolver.OfMadeDomain());
        _suspension = new Suspension(tpms.Sleepers, time, log);
        AddFiles(tpms.Status);
        FileSystem = new TreeFileSystem(table, notifier, owners.Root, log);

        // Domains that were made with mkdir, and those of an earlier daemon, do not wait until users' names are looked
        // up.
        Apply(_plans.Read(), Audit.None);
        TakenOver = new Takeover(_conversations, tpms.Ports, Domains, surroundings.Door).Run(table, FileSystem);
        if (tpms.Sleepers.Any(tpm => tpm.IsSuspended))
        {
            _suspension.Begin();
        }

        foreach (DomainDirectory user in _users.Domains)
        {
            _resolver.LookUp(user.Access.Uid);
        }

        Audit audit = Audit.None; // what comes first is what there is from the start
        _resolver.Start(
            resolved =>
            {
                _plans.Write(resolved);
                Apply(resolved, audit);
                _domains.ForgetGone();
                if (resolved.HasAllUsers)
                {
                    _users.ForgetGone();
                }

                audit = Audit.OfConfiguration(log);
            },
            s_patienceWithUsers);
    }

    public TreeFileSystem FileSystem { get; }

    /// <summary>Gets the admission of callers of D-Bus: to the first TPM, as tpm2-abrmd has one.</summary>
    public IBusAdmission BusAdmission => new BusAdmission(_root, _users, _parts.Tpms[0].ManagedName);

    /// <summary>Gets the openers that the tree took over from an earlier daemon.</summary>
    public TakenOver TakenOver { get; }

    /// <summary>Gets every domain, the root first.</summary>
    private IEnumerable<Domain> Domains =>
        [_root.Domain, .. _users.Domains.Select(user => user.Domain), .. _domains.Domains.Select(made => made.Domain)];

    /// <summary>Takes a new configuration. Users' names are looked up by and by.</summary>
    public void Configure(Settings settings, Access managed)
    {
        _root.Configure(new DomainPlan(_parts.Root, managed, settings.RootLimits), Audit.OfConfiguration(_parts.Log));
        _resolver.Use(settings);
    }

    public void Dispose()
    {
        _suspension.Dispose();
        _resolver.Dispose();
        _conversations.Dispose();
    }

    private void AddFiles(DaemonStatus status)
    {
        (NodeTable table, ControlContext controls) = (_parts.Table, _parts.Controls);
        _root.TryAdd("users", _users);
        _root.TryAdd("domains", _domains);
        _root.TryAdd("self", new SelfLink(table, _parts.Root, _users));
        _root.TryAdd("status", new StatusFile(table, controls, status));
        _root.TryAdd("metrics", new MetricsFile(table, controls, status));
        _root.TryAdd("power", new PowerFile(table, controls, _suspension));
        status.Show(() => Domains);
        status.ShowSleep(() => _suspension.State);
    }

    private void Apply(ResolvedPlans resolved, Audit audit)
    {
        _users.Configure(resolved.Users, audit);
        _domains.Configure(resolved.Domains, audit);
    }
}

/// <summary>The TPMs of a tree.</summary>
/// <param name="Ports">The TPMs by their numbers.</param>
/// <param name="Sleepers">The same, as those who have to be told when the machine sleeps.</param>
/// <param name="Status">The same, as the file status shows them.</param>
internal sealed record TreeTpms(
    IReadOnlyList<TpmPort> Ports, IReadOnlyList<ISuspendable> Sleepers, DaemonStatus Status);

/// <summary>The owners and modes that a tree's nodes have until a user changes them.</summary>
/// <param name="Root">The owner of the root directory.</param>
/// <param name="Managed">The owner and group of the managed nodes.</param>
internal sealed record TreeOwners(Access Root, Access Managed);

/// <summary>The parts of the machine that a tree uses.</summary>
/// <param name="Users">The system's users and groups.</param>
/// <param name="State">The changes that were made at run time, before this daemon began.</param>
internal sealed record TreeSurroundings(IUserDatabase Users, StateKeeper State, TimeProvider Time, ILogger Log)
{
    /// <summary>Gets the table of the users whose shares pay for other users' doings.</summary>
    public Payers Payers { get; init; } = new();

    /// <summary>Gets the watcher that learns of the nodes that are TPMs; null where there is none.</summary>
    public ITpmNodeWatcher? Watcher { get; init; }

    /// <summary>Gets the door beside the mount whose openers outlive the daemon; null where there is none.</summary>
    public ILastingDoor? Door { get; init; }

    /// <summary>Gets the records for the next daemon; null where none is to go on.</summary>
    public RecordStore? Records { get; init; }
}
