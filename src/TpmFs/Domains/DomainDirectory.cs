using System.Globalization;
using TpmFs.Controls;
using TpmFs.Nodes;
using TpmFs.Policy;

namespace TpmFs.Domains;

/// <summary>The directory that a domain is: its nodes, its localities, its control files.</summary>
internal class DomainDirectory : DirectoryNode
{
    private const uint PrivateNode = 0b110_000_000;
    private const uint PrivateDirectory = 0b111_000_000;

    private readonly TreeParts parts;
    private readonly KeptAccess own;
    private readonly KeptAccess rm0;

    /// <param name="configured">What holds until somebody changes it.</param>
    /// <param name="parent">Null for the root.</param>
    /// <param name="hasRaw">Whether the TPM itself is in it too.</param>
    public DomainDirectory(TreeParts parts, string path, DomainPlan configured, DirectoryNode? parent, bool hasRaw)
        : this(parts, path, configured, parent, hasRaw, new KeptAccess(parts.State, path, configured.Directory))
    {
    }

    private DomainDirectory(TreeParts parts, string path, DomainPlan configured, DirectoryNode? parent, bool hasRaw, KeptAccess own)
        : base(parts.Table, own, parent)
    {
        this.parts = parts;
        this.own = own;
        rm0 = new KeptAccess(parts.State, At(path, "rm0"), configured.Rm0);
        Domain = new Domain(path, configured.Limits, parts.State, isShared: parent is null);
        AddNodes(this, "", rm0, locality: 0, hasRaw);
        AddLocalities(hasRaw);
        AddControls();
    }

    public Domain Domain { get; }

    /// <summary>What is configured is another now.</summary>
    public void Configure(DomainPlan configured)
    {
        own.SetInitial(configured.Directory);
        rm0.SetInitial(configured.Rm0);
        Domain.Configure(configured.Limits);
    }

    public override void Removed()
    {
        base.Removed();
        Array.ForEach(Domain.End(), parts.Tpm.EndGroup);
    }

    protected static string At(string path, string name) => path.Length == 0 ? name : $"{path}/{name}";

    private void AddLocalities(bool hasRaw)
    {
        var localities = new DirectoryNode(parts.Table, parts.Administrators(At(Domain.Path, "locality"), PrivateDirectory), this);
        TryAdd("locality", localities);
        for (byte locality = 0; locality <= parts.Tpm.HighestLocality; locality++)
        {
            var number = locality.ToString(CultureInfo.InvariantCulture);
            var within = $"locality/{number}";
            var directory = new DirectoryNode(parts.Table, parts.Administrators(At(Domain.Path, within), PrivateDirectory), localities);
            localities.TryAdd(number, directory);
            AddNodes(directory, within, parts.Administrators(At(Domain.Path, within + "/rm0"), PrivateNode), locality, hasRaw);
        }
    }

    private void AddNodes(DirectoryNode directory, string within, NodeAccess managed, byte locality, bool hasRaw)
    {
        Add("rm0", managed, parts.Tpm.Managed);
        if (hasRaw)
        {
            Add("raw0", parts.Administrators(At(Domain.Path, At(within, "raw0")), PrivateNode), parts.Tpm.Raw);
        }

        void Add(string name, NodeAccess access, TpmDoor door) =>
            directory.TryAdd(name, new TpmNode(parts.Table, access, At(within, name), Domain, locality, door, parts.Openers));
    }

    private void AddControls()
    {
        var (table, root, log) = (parts.Table, parts.Root, parts.Log);
        foreach (var kind in LimitKind.Known)
        {
            TryAdd(kind.Name, new LimitFile(table, root, Domain, kind));
        }

        TryAdd("commands.deny", new DenyFile(table, root, Domain, log));
        TryAdd("stat", new StatFile(table, root, Domain));
        TryAdd("openers", new OpenersFile(table, root, this, Domain, parts.Openers.Time));
        TryAdd("cancel", new CancelFile(table, root, this, Domain));
        TryAdd("revoke", new RevokeFile(table, root, this, Domain, log));
    }
}

/// <summary>What a domain is by configuration, until somebody changes it.</summary>
/// <param name="Directory">Whose the directory is.</param>
/// <param name="Rm0">Whose the managed node is.</param>
/// <param name="Limits">Complete.</param>
internal sealed record DomainPlan(Access Directory, Access Rm0, Limits Limits)
{
    private const uint MadeDirectory = 0b111_101_000;
    private const uint MadeNode = 0b110_110_000;
    private const uint UserDirectory = 0b111_000_000;
    private const uint UserNode = 0b110_000_000;

    /// <summary>A domain that an administrator makes; <paramref name="mode"/> may only take from its permissions.</summary>
    public static DomainPlan OfMade(uint uid, uint gid, uint mode, Limits limits) =>
        new(new Access(MadeDirectory & mode, uid, gid), new Access(MadeNode, uid, gid), limits);

    /// <summary>A domain of the configuration.</summary>
    public static DomainPlan OfConfigured(uint uid, uint gid, uint? mode, Limits limits) =>
        new(new Access(mode ?? MadeDirectory, uid, gid), new Access(MadeNode, uid, gid), limits);

    public static DomainPlan OfUser(uint uid, uint gid, Limits limits) =>
        new(new Access(UserDirectory, uid, gid), new Access(UserNode, uid, gid), limits);
}
