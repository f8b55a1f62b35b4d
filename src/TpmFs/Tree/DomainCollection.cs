using System.Text;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;
using TpmFs.Policy;
using TpmFs.Users;

namespace TpmFs.Tree;

/// <summary>users/ and domains/: directories of domains, some there by configuration, others made with mkdir.</summary>
/// <remarks>
/// The lock guards the configured domains, and puts each change of the directory in one order with its record.
/// </remarks>
internal abstract class DomainCollection : DirectoryNode
{
    /// <summary>
    /// The most directories that users made who are no administrators. Each costs the daemon some 22 KB, and lines of
    /// status and metrics.
    /// </summary>
    private const int MaxOfUsers = 1024;

    private readonly Lock _changes = new();
    private readonly string _path;
    private IReadOnlyDictionary<string, DomainPlan> _configured = new Dictionary<string, DomainPlan>();

    protected DomainCollection(TreeParts parts, string path, DirectoryNode root)
        : base(parts.Table, parts.Administrators(path, Access.PublicDirectory), root)
    {
        _path = path;
        Parts = parts;
    }

    protected TreeParts Parts { get; }

    /// <summary>Gets every domain in it, by name.</summary>
    public IEnumerable<DomainDirectory> Domains => Children.OfType<DomainDirectory>();

    public override Errno MakeDirectory(in FuseCaller caller, ReadOnlySpan<byte> name, uint mode, out Node? made)
    {
        made = null;
        string key = Encoding.Latin1.GetString(name);
        if (!IsName(key))
        {
            return Errno.EINVAL;
        }

        lock (_changes)
        {
            if (TryFind(key, out _))
            {
                return Errno.EEXIST;
            }

            if (!MayMake(key, caller.Uid))
            {
                return Errno.EPERM;
            }

            if (!HasRoomFor(caller.Uid))
            {
                return Errno.EDQUOT;
            }

            DomainPlan initial = PlanOf(key);
            Keep(key, initial, Asked(key, caller, mode));
            made = Add(key, initial);
            return made is null ? Errno.ENODEV : Errno.None;
        }
    }

    /// <summary>
    /// Removes a domain, as a directory with a sticky bit does: whoever may write here removes only what that user
    /// owns. Otherwise one user could end all openers of others, and of domains that root made.
    /// </summary>
    public override Errno RemoveDirectory(in FuseCaller caller, ReadOnlySpan<byte> name)
    {
        string key = Encoding.Latin1.GetString(name);
        lock (_changes)
        {
            if (!TryFind(key, out Node? there))
            {
                return Errno.ENOENT;
            }

            if (!IsOf(there.Access.Uid, caller.Uid))
            {
                return Errno.EPERM;
            }

            if (_configured.ContainsKey(key))
            {
                Parts.Log.ForContext("Uid", caller.Uid).Warning(
                    "{Path}/{Name} is not removed, since the configuration names it; remove it there and reload "
                        + "(SIGHUP)", _path, key);
                return Errno.EPERM;
            }

            Parts.State.Forget(At(key));
            TryRemove(key, out _);
            return Errno.None;
        }
    }

    /// <summary>Removes the domains that were made at run time, and the changes of configured ones.</summary>
    public override void Reset(Audit audit)
    {
        lock (_changes)
        {
            Parts.State.Forget(_path);
            foreach (string name in Domains.Select(NameOf).Where(name => !_configured.ContainsKey(name)))
            {
                Remove(name, audit);
            }
        }

        base.Reset(audit);
    }

    /// <summary>
    /// Replaces the configured domains. A domain that is configured no more is removed, unless a user has made it, too.
    /// One that is configured from now on, and that another user than its owner has made, is made anew.
    /// </summary>
    /// <param name="audit">Learns of each change.</param>
    public void Configure(IReadOnlyDictionary<string, DomainPlan> plans, Audit audit)
    {
        lock (_changes)
        {
            IReadOnlyDictionary<string, DomainPlan> before = _configured;
            _configured = plans;
            foreach (string? name in before.Keys.Where(
                name => !plans.ContainsKey(name) && !Parts.State.IsMade(At(name))))
            {
                Remove(name, audit);
            }

            IEnumerable<string> made = Parts.State.Made.Where(
                kept => kept.StartsWith(_path + "/", StringComparison.Ordinal))
                .Select(kept => kept[(_path.Length + 1)..]);
            foreach (string? name in plans.Keys.Concat(made).Distinct().Where(IsName))
            {
                DomainPlan plan = plans.TryGetValue(name, out DomainPlan? said) ? said : PlanOf(name);
                if (said is not null && !before.ContainsKey(name))
                {
                    TakeFromMaker(name, said.Directory.Uid, audit);
                }

                if (TryFind(name, out Node? there))
                {
                    ((DomainDirectory)there).Configure(plan, audit);
                }
                else if (Add(name, plan) is not null)
                {
                    audit.Made(At(name));
                }
            }
        }
    }

    /// <summary>
    /// Forgets what was kept of directories that there are no more. Only when all configured names are known: what is
    /// kept of a user whom the system cannot look up now is not to be lost.
    /// </summary>
    public void ForgetGone()
    {
        lock (_changes)
        {
            string[] gone =
            [
                .. Parts.State.PlacesBelow(_path).Select(place => place[(_path.Length + 1)..].Split('/')[0]).Distinct()
                    .Where(name => !TryFind(name, out _)),
            ];
            Array.ForEach(gone, name => Parts.State.Forget(At(name)));
        }
    }

    /// <summary>Returns true when a directory may have this name.</summary>
    protected abstract bool IsName(string name);

    /// <summary>
    /// Returns true when a user who may write here may make a directory with this name. The share of domains counts
    /// by owners, so nobody may make a directory that another user would own.
    /// </summary>
    protected virtual bool MayMake(string name, uint uid) => true;

    /// <summary>True when a user is the owner, has the owner's uid from /etc/subuid, or administers the tree.</summary>
    protected bool IsOf(uint owner, uint uid)
    {
        Payers payers = Parts.Conversations.Payers;
        return Parts.IsAdministrator(uid) || payers.Of(owner) == payers.Of(uid);
    }

    /// <summary>Returns the plan of a domain that was made with mkdir, where the maker asked for no other.</summary>
    protected abstract DomainPlan PlanOf(string name);

    /// <summary>Returns the plan that the maker of a directory asks for.</summary>
    protected abstract DomainPlan Asked(string name, in FuseCaller caller, uint mode);

    /// <summary>
    /// True when a user may make one more directory. Those that the user owns count, also after a restart.
    /// </summary>
    private bool HasRoomFor(uint uid)
    {
        if (Parts.IsAdministrator(uid))
        {
            return true;
        }

        Payers payers = Parts.Conversations.Payers;
        uint payer = payers.Of(uid);
        uint[] owners =
        [
            .. Domains.Where(directory => !_configured.ContainsKey(NameOf(directory)))
                .Select(directory => directory.Access.Uid)
                .Where(owner => !Parts.IsAdministrator(owner)),
        ];
        return FairShares.IsWithinShare(
            owners.Count(owner => payers.Of(owner) == payer), MaxOfUsers - owners.Length);
    }

    private string NameOf(DomainDirectory directory) => directory.Domain.Path[(_path.Length + 1)..];

    private DomainDirectory? Add(string name, DomainPlan plan)
    {
        var directory = new DomainDirectory(Parts, At(name), plan, this, hasRaw: false);
        return TryAdd(name, directory) ? directory : null;
    }

    /// <summary>Removes a domain, and then forgets it, since a node that is out of the tree keeps nothing.</summary>
    private void Remove(string name, Audit audit)
    {
        if (TryRemove(name, out _))
        {
            audit.Removed(At(name));
        }

        Parts.State.Forget(At(name));
    }

    /// <summary>Removes a domain that a user made who is neither an administrator nor the configured owner.</summary>
    private void TakeFromMaker(string name, uint owner, Audit audit)
    {
        if (TryFind(name, out Node? there) && Parts.State.IsMade(At(name)) && there.Access.Uid is uint maker
            && maker != owner && !Parts.IsAdministrator(maker))
        {
            Parts.Log.Warning(
                "{Path}/{Name} belonged to user {Maker}, though the configuration gives it to user {Owner}; it is made "
                    + "anew, and its openers end", _path, name, maker, owner);
            Remove(name, audit);
        }
    }

    private void Keep(string name, DomainPlan initial, DomainPlan asked)
    {
        IAccessStore store = Parts.State;
        store.Keep(At(name), Changed(asked.Directory, initial.Directory));
        foreach (TpmPort tpm in Parts.Tpms)
        {
            store.Keep($"{At(name)}/{tpm.ManagedName}", Changed(asked.Managed, initial.Managed));
        }

        // Last, so that a daemon that is killed on the way leaves no directory, and the next one makes it whole.
        Parts.State.KeepMade(At(name));

        static ChangedAccess? Changed(Access asked, Access initial) =>
            asked == initial ? null : new ChangedAccess(asked, initial);
    }

    private string At(string name) => $"{_path}/{name}";
}
