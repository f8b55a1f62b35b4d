using System.Diagnostics.CodeAnalysis;
using TpmFs.Logs;
using TpmFs.Policy;
using TpmFs.Rm;

namespace TpmFs.Clients;

/// <summary>
/// Limits, a command policy, shares and statistics that the conversations of a directory's nodes have in common: the
/// root, each users/UID and each domains/NAME. Any thread.
/// </summary>
/// <remarks>
/// The lock guards all fields and is held for a few instructions. A limit that was changed at run time holds, else the
/// configured one.
/// </remarks>
internal sealed class Domain
{
    private readonly Lock _gate = new();
    private readonly DomainMembers _members;
    private readonly Dictionary<(int Tpm, uint Payer), SchedulingGroup> _groups = [];
    private readonly SpaceLimits _spaceLimits = new();
    private readonly ILimitStore _store;
    private readonly bool _isShared;
    private readonly Func<uint, DomainRelation> _relation;
    private readonly ConversationContext _context;
    private Limits _configured;
    private Limits _changed;
    private Limits _limits;
    private bool _isGone;

    /// <param name="path">Its place in the tree; the root's is empty.</param>
    /// <param name="configured">Its limits, complete.</param>
    /// <param name="store">Keeps limits that are changed at run time.</param>
    /// <param name="isShared">
    /// True when its users are fair to each other by a share of the TPM's time for each: so it is in the root.
    /// Elsewhere the domain as a whole has one.
    /// </param>
    /// <param name="relation">Returns what a user is to the domain, by uid.</param>
    /// <param name="context">The parts that all conversations share.</param>
    public Domain(
        string path, Limits configured, ILimitStore store, bool isShared, Func<uint, DomainRelation> relation,
        ConversationContext context)
    {
        Path = path;
        _configured = configured;
        _store = store;
        _isShared = isShared;
        _relation = relation;
        _context = context;
        _members = new DomainMembers(context.Places, Account);
        _changed = store.Find(path);
        _limits = _changed.Over(configured);
        Apply();
    }

    /// <summary>Gets its place in the tree; the root's is empty.</summary>
    public string Path { get; }

    /// <summary>Gets what a person calls it.</summary>
    public string Name => Path.Length == 0 ? "root" : Path;

    /// <summary>
    /// Gets the domain to whose share of what all domains have its users' doings count: itself. Null for the root, each
    /// of whose users counts as a domain.
    /// </summary>
    public Domain? Account => _isShared ? null : this;

    /// <summary>Gets the limits that hold now; none of them is left unsaid.</summary>
    public Limits Limits
    {
        get
        {
            lock (_gate)
            {
                return _limits;
            }
        }
    }

    /// <summary>Gets the conversations that have not ended, oldest first.</summary>
    public Conversation[] Conversations => _members.Open;

    /// <summary>Returns what all conversations with a TPM, those that have ended too, have used there.</summary>
    /// <param name="tpm">The TPM's number; null for all of them.</param>
    public Usage[] UsagesOf(int? tpm)
    {
        lock (_gate)
        {
            return [.. _groups.Where(entry => tpm is null || entry.Key.Tpm == tpm).Select(entry => entry.Value.Usage)];
        }
    }

    /// <summary>Returns how many conversations were revoked while their clients are still there.</summary>
    /// <param name="tpm">The TPM's number; null for all of them.</param>
    public int CountRevoked(int? tpm) => _members.CountRevoked(tpm);

    /// <summary>Returns the conversation with a number; null when this domain has none, or it has ended.</summary>
    public Conversation? Find(ulong id) => _members.Find(id);

    /// <summary>
    /// Admits a client: gives the client a place, a share of the TPM's time and a handle space, and registers the
    /// conversation. <see cref="Conversation.Close"/> gives all of that back.
    /// </summary>
    /// <param name="caller">The caller.</param>
    /// <param name="tpm">The way to the TPM.</param>
    /// <param name="node">The node that the client goes by.</param>
    /// <param name="conversation">The conversation that the client is to use.</param>
    /// <param name="refusal">
    /// ENFILE when the domain or the tree is full, or the user's share of it; EBUSY when the TPM has no room for one
    /// more of this kind; ENODEV when the domain is gone.
    /// </param>
    public bool TryAdmit(
        in Caller caller, TpmPort tpm, TpmNodeAddress node, [NotNullWhen(true)] out Conversation? conversation,
        out Errno refusal)
    {
        conversation = null;
        uint payer = _context.Payers.Of(caller.Uid);
        (Standing standing, uint domainsOwner) = _relation(caller.Uid);
        refusal = _members.TakePlace(payer, standing, domainsOwner, Limits.OpenersMax!.Value);
        if (!refusal.IsError)
        {
            conversation = TryBegin(Client.Of(caller, payer), domainsOwner, tpm, node, out refusal);
        }

        if (conversation is null)
        {
            _context.Log.Debug(
                "process {Pid} of user {Uid} was refused at {Node} of {Domain}: {Errno}", caller.Pid, caller.Uid,
                node.Name, Name, refusal.Value);
            return false;
        }

        ConversationIdentity identity = conversation.Identity;
        _context.Log.ForContext(LogShares.DomainProperty, Name).Debug(
            "process {Pid} ({Command}) of user {Uid} opened {Node} as opener {Opener}", identity.Client.Pid,
            identity.Client.Command, identity.Client.Uid, identity.Path, identity.Id);
        return true;
    }

    /// <summary>
    /// Admits a client who opens a node for reading alone. Such a client can send no command: it gets no conversation
    /// and nothing of the TPM, but one place of those that all such clients share.
    /// </summary>
    /// <param name="uid">The user who asks.</param>
    /// <param name="payer">The user for whom <see cref="ReaderLeft"/> gives the place back.</param>
    /// <returns>ENFILE when the user's share of the places, or the domain's, is used up.</returns>
    public Errno TryAdmitReader(uint uid, out uint payer)
    {
        payer = _context.Payers.Of(uid);
        return _context.Readers.TryTake(Account, payer, _relation(uid).Standing)
            ? Errno.None : SpaceErrno.TooManyOpeners;
    }

    /// <summary>Takes the place of a client back who could only read.</summary>
    public void ReaderLeft(uint payer) => _context.Readers.Return(Account, payer);

    /// <summary>
    /// Goes on with a conversation that an earlier daemon admitted. Its client is not asked again whether there is
    /// room.
    /// </summary>
    /// <param name="earlier">The earlier daemon's records.</param>
    /// <param name="tpm">The way to the TPM, by which its spaces are reopened.</param>
    public Conversation Resume(EarlierConversation earlier, TpmPort tpm)
    {
        ConversationIdentity identity = earlier.Saved.Identity;
        (Client client, TpmNodeAddress node) = (identity.Client, identity.Node);
        SchedulingGroup group = GroupOf(tpm, client.Payer, identity.Owner);
        var owner = new SpaceOwner(group, client.Uid, node.Locality) { Payer = client.Payer };
        var conversation = Conversation.Resume(
            _context, earlier, tpm.Facts.MaxCommandSize,
            (answered, commands) =>
                tpm.Reopen!(new SpaceId(earlier.Saved.Space), owner, answered, node.IsRaw, commands),
            _members);
        _members.Resume(conversation);
        return conversation;
    }

    /// <summary>
    /// Changes limits at run time. Conversations are held to them from their next command on.
    /// </summary>
    /// <returns>ENODEV when the domain is gone.</returns>
    public Errno Change(Func<Limits, Limits> change)
    {
        lock (_gate)
        {
            if (_isGone)
            {
                return SpaceErrno.Gone;
            }

            _changed = change(_changed);
            _store.Keep(Path, _changed);
            Apply();
            return Errno.None;
        }
    }

    /// <summary>
    /// Drops what <paramref name="drop"/> takes out of what was changed at run time; nothing when the domain is gone.
    /// </summary>
    /// <returns>The limits before and after the change.</returns>
    public LimitsChange Reset(Func<Limits, Limits> drop)
    {
        lock (_gate)
        {
            Limits before = _limits;
            _ = Change(drop);
            return new LimitsChange(before, _limits);
        }
    }

    /// <summary>Replaces the configured limits.</summary>
    /// <param name="complete">The limits; none of them is left unsaid.</param>
    /// <returns>The limits before and after the change.</returns>
    public LimitsChange Configure(Limits complete)
    {
        lock (_gate)
        {
            Limits before = _limits;
            _configured = complete;
            Apply();
            return new LimitsChange(before, _limits);
        }
    }

    /// <summary>Takes the domain away, for good: its conversations end, and nobody comes in.</summary>
    /// <param name="tell">Learns of each conversation that ends.</param>
    /// <returns>
    /// The groups of the domain that still hold objects or sessions, for their TPMs' managers to flush.
    /// </returns>
    public (int Tpm, SchedulingGroup Group)[] End(Action<ConversationIdentity> tell)
    {
        (int, SchedulingGroup)[] held;
        lock (_gate)
        {
            _isGone = true;
            held = [.. _groups.Select(entry => (entry.Key.Tpm, entry.Value))];
        }

        _members.EndAll(tell);
        return held;
    }

    /// <summary>Begins a conversation for a client who has a place, or takes the place back.</summary>
    private Conversation? TryBegin(
        Client client, uint domainsOwner, TpmPort tpm, TpmNodeAddress node, out Errno refusal)
    {
        SchedulingGroup group = GroupOf(tpm, client.Payer, domainsOwner);
        var owner = new SpaceOwner(group, client.Uid, node.Locality) { Payer = client.Payer };
        var identity = new ConversationIdentity(
            _context.NextId(), client, Path, node, _context.Time.GetTimestamp())
        {
            Owner = domainsOwner,
        };
        SpaceOpener opener = node.IsRaw ? tpm.Raw : tpm.Managed;
        var conversation = Conversation.TryBegin(
            _context, identity, tpm.Facts.MaxCommandSize, answered => opener(owner, answered), _members);
        if (conversation is null)
        {
            _members.ReturnPlace(domainsOwner, client.Payer);
            refusal = Errno.EBUSY;
            return null;
        }

        if (!_members.TryAdd(conversation))
        {
            conversation.Close();
            refusal = SpaceErrno.Gone;
            return null;
        }

        refusal = Errno.None;
        return conversation;
    }

    /// <summary>
    /// Returns the share of a TPM's time that a user has in this domain. It is always the same one for a user, because
    /// saved sessions are shared within it.
    /// </summary>
    /// <param name="tpm">The way to the TPM.</param>
    /// <param name="payer">The user.</param>
    /// <param name="domainsOwner">The domain's owner, with whose other domains it shares.</param>
    private SchedulingGroup GroupOf(TpmPort tpm, uint payer, uint domainsOwner)
    {
        uint owner = _isShared ? payer : _context.Payers.Of(domainsOwner);
        bool isAdministrators = _relation(owner).Standing == Standing.Administrator;
        (int Tpm, uint Payer) key = (tpm.Number, _isShared ? payer : 0);
        lock (_gate)
        {
            if (!_groups.TryGetValue(key, out SchedulingGroup? group))
            {
                group = tpm.NewGroup(_isShared ? $"{Name}:{payer}" : Name, _spaceLimits);
                group.Weight = _limits.Weight!.Value;
                group.Denied = _limits.Denied!;
                _groups.Add(key, group);
            }

            group.Owner = isAdministrators ? 0 : owner;
            return group;
        }
    }

    /// <summary>Works out what holds. Under the lock, or in the constructor.</summary>
    private void Apply()
    {
        _limits = _changed.Over(_configured);
        _spaceLimits.ObjectsMax = _limits.ObjectsMax!.Value;
        _spaceLimits.SessionsMax = _limits.SessionsMax!.Value;
        _spaceLimits.SavedSessionsMax = _limits.SavedSessionsMax!.Value;
        foreach (SchedulingGroup group in _groups.Values)
        {
            group.Weight = _limits.Weight!.Value;
            group.Denied = _limits.Denied!;
        }
    }
}
