using System.Globalization;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;
using TpmFs.Policy;
using TpmFs.Tree.Controls;
using TpmFs.Users;

namespace TpmFs.Tree;

/// <summary>The directory of a domain: its nodes, its localities, its control files.</summary>
internal class DomainDirectory : DirectoryNode
{
    private const uint PrivateNode = 0b110_000_000;
    private const uint PrivateDirectory = 0b111_000_000;
    private const byte HighestLocality = 4;

    private readonly TreeParts _parts;
    private readonly KeptAccess _own;
    private readonly KeptAccess[] _managed;

    /// <param name="configured">The plan of the domain until a user changes it.</param>
    /// <param name="parent">Null for the root.</param>
    /// <param name="hasRaw">True when the TPM's own node is in it too.</param>
    public DomainDirectory(TreeParts parts, string path, DomainPlan configured, DirectoryNode? parent, bool hasRaw)
        : this(
            parts,
            path,
            configured,
            parent,
            hasRaw,
            new KeptAccess(parts.State, path, configured.Directory, access => Limit(access, parts.Root)))
    {
    }

    private DomainDirectory(
        TreeParts parts, string path, DomainPlan configured, DirectoryNode? parent, bool hasRaw, KeptAccess own)
        : base(parts.Table, own, parent)
    {
        _parts = parts;
        _own = own;
        _managed = [.. parts.Tpms.Select(
            tpm => new KeptAccess(parts.State, At(path, tpm.ManagedName), configured.Managed))];
        Domain = new Domain(
            path, configured.Limits, parts.State, isShared: parent is null, RelationOf, parts.Conversations);
        AddNodes(this, "", tpm => _managed[tpm.Number], locality: 0, hasRaw);
        AddLocalities(hasRaw);
        AddControls();
    }

    public Domain Domain { get; }

    internal override Domain? Account => Domain.Account;

    /// <summary>Replaces the configured plan.</summary>
    /// <param name="audit">Learns of each change.</param>
    public void Configure(DomainPlan configured, Audit audit)
    {
        if (_own.SetInitial(configured.Directory))
        {
            audit.AccessChanged(Place, Access, Errno.None);
        }

        foreach (TpmPort tpm in _parts.Tpms)
        {
            if (_managed[tpm.Number].SetInitial(configured.Managed) && TryFind(tpm.ManagedName, out Node? node))
            {
                audit.AccessChanged(node.Place, node.Access, Errno.None);
            }
        }

        audit.LimitsChanged(Domain.Path, Domain.Configure(configured.Limits));
    }

    public override void Removed()
    {
        base.Removed();
        Array.ForEach(
            Domain.End(who => ConversationAudit.Revoked(_parts.Log, who)),
            held => _parts.Tpms[held.Tpm].EndGroup(held.Group));
    }

    /// <summary>
    /// Changes attributes as for any node. Only administrators change the group, for the reason that
    /// <see cref="Limit"/> gives.
    /// </summary>
    public override Errno SetAttributes(in FuseCaller caller, in FuseAttributeChange change) =>
        change.Gid is not null && !_parts.IsAdministrator(caller.Uid)
            ? Errno.EPERM
            : base.SetAttributes(caller, change);

    /// <summary>
    /// Takes write permission from a directory that does not belong to the tree's owner, and gives the directory the
    /// tree's group where the group has no permissions. link(2) holds a directory that the caller may write in while it
    /// waits for the lock of the file, which the same caller can hold for ever; rename(2) carries the wait on to the
    /// root. A user namespace's root may write wherever owner and group are both mapped in it, which the tree's group
    /// is not. Files cannot be made in such a directory anyway.
    /// </summary>
    private static Access Limit(Access access, Access root) => access.Uid == root.Uid
        ? access
        : access.WithoutWrite() with { Gid = access.IsGroups ? access.Gid : root.Gid };

    protected static string At(string path, string name) => path.Length == 0 ? name : $"{path}/{name}";

    /// <summary>
    /// Returns a user's relation to the domain. The root is shared by all, so its directory's owner counts as one of
    /// them.
    /// </summary>
    private DomainRelation RelationOf(uint uid)
    {
        uint owner = _own.Current.Uid;
        Standing standing = _parts.IsAdministrator(uid) ? Standing.Administrator
            : Domain.Path.Length > 0 && uid == owner ? Standing.Owner
            : Standing.User;
        return new DomainRelation(standing, owner);
    }

    private void AddLocalities(bool hasRaw)
    {
        var localities = new LocalitiesDirectory(
            _parts.Table, _parts.Administrators(At(Domain.Path, "locality"), PrivateDirectory), this);
        TryAdd("locality", localities);
        for (byte locality = 0; locality <= HighestLocality; locality++)
        {
            string number = locality.ToString(CultureInfo.InvariantCulture);
            string within = $"locality/{number}";
            NodeAccess access = _parts.Administrators(At(Domain.Path, within), PrivateDirectory);
            var directory = new LocalityDirectory(_parts.Table, access, localities, _parts.Tpms, locality);
            localities.TryAdd(number, directory);
            AddNodes(directory, within, tpm => Administrators(within, tpm.ManagedName), locality, hasRaw);
        }
    }

    private void AddNodes(
        DirectoryNode directory, string within, Func<TpmPort, NodeAccess> accessOf, byte locality, bool hasRaw)
    {
        foreach (TpmPort tpm in _parts.Tpms)
        {
            Add(tpm.ManagedName, accessOf(tpm), tpm, isRaw: false);
            if (hasRaw)
            {
                Add(tpm.RawName, Administrators(within, tpm.RawName), tpm, isRaw: true);
            }
        }

        void Add(string name, NodeAccess access, TpmPort tpm, bool isRaw)
        {
            var address = new TpmNodeAddress(At(within, name), tpm.Number, locality, isRaw);
            var node = new TpmNode(_parts.Table, access, Domain, tpm, address, _parts.Notifier);
            directory.TryAdd(name, node);
            _parts.Watcher?.Added(node);
        }
    }

    private NodeAccess Administrators(string within, string name) =>
        _parts.Administrators(At(Domain.Path, At(within, name)), PrivateNode);

    private void AddControls()
    {
        (NodeTable table, ControlContext context, Serilog.ILogger log) = (_parts.Table, _parts.Controls, _parts.Log);
        foreach (LimitKind kind in LimitKind.Known)
        {
            TryAdd(kind.Name, new LimitFile(table, context, Domain, kind));
        }

        TryAdd("commands.deny", new DenyFile(table, context, Domain, log));
        TryAdd("stat", new StatFile(table, context, Domain, _parts.Tpms));
        TryAdd("openers", new OpenersFile(table, context, this, Domain, _parts.Conversations.Time));
        TryAdd("cancel", new CancelFile(table, context, this, Domain));
        TryAdd("revoke", new RevokeFile(table, context, this, Domain, log));
    }
}
