using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds the sessions of all spaces: who owns each, which spaces may still name it, and whether it is loaded.
/// </summary>
internal sealed class SessionLedger(
    SpaceLedger spaces, LedgerMirror mirror, StateRecord record, TimeProvider time)
{
    private readonly Dictionary<uint, Session> _byIndex = [];

    /// <summary>The loaded sessions, least recently used first.</summary>
    private readonly LinkedList<Session> _loaded = [];

    /// <summary>
    /// The saved sessions, by their sequence numbers: the TPM's context gap is measured from the first.
    /// </summary>
    private readonly LinkedList<Session> _saved = [];

    /// <summary>The highest value of the TPM's context counter that a saved session has shown.</summary>
    public ulong Counter { get; private set; }

    /// <summary>Gets the number of the TPM's session slots that the manager takes.</summary>
    public int LoadedCount => _loaded.Count + Doomed.LoadedCount;

    /// <summary>The sessions that a space may still name.</summary>
    public IReadOnlyCollection<Session> All => _byIndex.Values;

    /// <summary>The loaded sessions, the one used least recently first.</summary>
    public IEnumerable<Session> Loaded => _loaded;

    /// <summary>The saved sessions, in the order of their sequence numbers.</summary>
    public IEnumerable<Session> Saved => _saved;

    /// <summary>Gets the sessions that no space can name any more; they are to be flushed.</summary>
    public DoomedSessions Doomed { get; } = new();

    /// <summary>Gets the number of all sessions that the TPM may hold for the manager.</summary>
    public int Count => _byIndex.Count + Doomed.Count;

    /// <summary>The saved session from which the TPM's context gap is measured.</summary>
    public Session? OldestSaved => _saved.First?.Value;

    /// <summary>Gets the distance of the TPM's context counter from the oldest saved session.</summary>
    public ulong Gap => OldestSaved is { } oldest ? Counter - oldest.Sequence : 0;

    /// <summary>
    /// The session whose last response had auditExclusive set. A command of the manager's own would end that, unless it
    /// is about contexts.
    /// </summary>
    public Session? Exclusive { get; private set; }

    /// <summary>Gets the number of sessions that left the TPM since the start.</summary>
    public long ReleasedCount { get; private set; }

    /// <summary>Returns true when the manager knows a session with this TPM handle.</summary>
    public bool Holds(TpmHandle handle) => _byIndex.ContainsKey(handle.Index) || IsDoomed(handle);

    /// <summary>Returns true when the session is to be flushed.</summary>
    public bool IsDoomed(TpmHandle handle) => Doomed.Contains(handle);

    public bool TryFind(TpmHandle handle, out Session session)
    {
        session = null!;
        return handle.IsSession && _byIndex.TryGetValue(handle.Index, out session!);
    }

    /// <summary>Returns the loaded session used least recently, of those that the plan does not name.</summary>
    public Session? LeastRecentlyUsed(CommandPlan? plan)
    {
        LinkedListNode<Session>? node = _loaded.First;
        while (node is not null && plan is not null && plan.Sessions.Contains(node.Value))
        {
            node = node.Next;
        }

        return node?.Value;
    }

    /// <summary>Returns the sessions that this owner's clients saved.</summary>
    public IEnumerable<Session> SavedBy(SpaceOwner owner) =>
        _byIndex.Values.Where(saved => saved.SavedByClient && saved.Owner == owner);

    /// <summary>Records which session the TPM holds as the exclusive audit session; null for none.</summary>
    public void SetExclusive(Session? exclusive)
    {
        if (Exclusive != exclusive)
        {
            Exclusive = exclusive;
            record.Changed();
        }
    }

    /// <summary>Records that a session was started or loaded, and is in the TPM.</summary>
    public void Enter(Session entered)
    {
        _byIndex[entered.Handle.Index] = entered;
        _loaded.AddLast(entered.Node);
        entered.Enter(mirror);
        entered.Use(time.GetTimestamp());
    }

    /// <summary>Records which space holds the session from now on.</summary>
    public static void MoveTo(SpaceRecord opener, Session session)
    {
        session.MoveTo(opener.Id);
        opener.Add(session);
    }

    /// <summary>Records that the TPM loaded the session, and will not take this context of it again.</summary>
    public void Load(Session loaded)
    {
        _saved.Remove(loaded.Node);
        loaded.ForgetContext();
        _loaded.AddLast(loaded.Node);
    }

    /// <summary>Records that the session left its slot, into this context.</summary>
    public void Save(Session saved, ReadOnlySpan<byte> context)
    {
        _loaded.Remove(saved.Node);
        saved.KeepContext(context, TpmContext.TryRead(context, out TpmContext head) ? head.Sequence : Counter);
        Counter = Math.Max(Counter, saved.Sequence);
        record.Changed();
        _saved.AddLast(saved.Node);
    }

    /// <summary>
    /// Records that the session's client has its present context. The session outlives its space, which may not use the
    /// session until it has loaded it again.
    /// </summary>
    public void GiveToClient(Session saved, SpaceRecord by)
    {
        saved.GiveToClient(time.GetTimestamp());
        by.Remove(saved);
    }

    /// <summary>Records that a command used the session.</summary>
    public void Use(Session used)
    {
        used.Use(time.GetTimestamp());
        if (used.IsLoaded)
        {
            _loaded.Remove(used.Node);
            _loaded.AddLast(used.Node);
        }
    }

    /// <summary>Records that the session has ended in the TPM, and removes it here.</summary>
    public void End(Session ended)
    {
        if (Remove(ended))
        {
            ended.Leave();
            ReleasedCount++;
        }
    }

    /// <summary>
    /// Records that a space is closed. The sessions that it saved stay for its owner; the others are doomed.
    /// </summary>
    public void LoseOpener(SpaceRecord opener)
    {
        foreach (Session session in _byIndex.Values.Where(session => session.Opener == opener.Id).ToArray())
        {
            session.LoseOpener();
            if (!session.SavedByClient)
            {
                Doom(session);
            }
        }
    }

    /// <summary>
    /// Records that a group ended with its spaces. The sessions that they saved are doomed, since no space will load
    /// them.
    /// </summary>
    public void LoseGroup(SchedulingGroup group)
    {
        foreach (Session session in _byIndex.Values.Where(
            session => session.Owner.Group.Id == group.Id && session.IsAbandoned).ToArray())
        {
            Doom(session);
        }
    }

    /// <summary>
    /// Dooms a session: no space may name it any more, and it is flushed when its room is wanted or the manager is
    /// idle. Also for a session that the TPM does not load, save or find loaded: the TPM may still hold it if a
    /// response was lost with the link.
    /// </summary>
    public void Doom(Session orphan)
    {
        if (Remove(orphan))
        {
            orphan.Doom();
            Doomed.Add(orphan);
        }
    }

    /// <summary>Dooms a session that neither the manager nor a space knows, by the TPM's handle.</summary>
    public void Doom(TpmHandle unknown, SpaceOwner owner)
    {
        var orphan = new Session(unknown, owner, opener: null);
        orphan.Enter(mirror);
        orphan.Doom();
        Doomed.Add(orphan);
    }

    /// <summary>Dooms every session, even those that clients saved.</summary>
    public void DoomAll()
    {
        foreach (Session session in _byIndex.Values.ToArray())
        {
            Doom(session);
        }
    }

    /// <summary>Records that the first of the doomed sessions is out of the TPM.</summary>
    public void RemoveFirstDoomed()
    {
        Doomed.RemoveFirst();
        ReleasedCount++;
    }

    /// <summary>Records that the TPM has no session with this handle, whatever the ledger says.</summary>
    public void Vacate(TpmHandle handle)
    {
        if (!handle.IsSession)
        {
            return;
        }

        if (TryFind(handle, out Session gone))
        {
            End(gone);
        }

        Doomed.KeepOnly(orphan => orphan.Handle.Index != handle.Index);
    }

    /// <summary>
    /// Records that the TPM was restarted, and which sessions it still holds. The TPM's context counter may have
    /// started again.
    /// </summary>
    public void KeepOnly(Func<Session, bool> held)
    {
        foreach (Session gone in _byIndex.Values.Where(session => !held(session)).ToArray())
        {
            End(gone);
        }

        Doomed.KeepOnly(held);
        Counter = _saved.Count > 0 ? _saved.Max(saved => saved.Sequence) : 0;
        Exclusive = null;
        record.Changed();
    }

    /// <summary>
    /// Goes on with a session of the last manager. They come in this order: loaded ones by use, and saved ones by
    /// sequence.
    /// </summary>
    /// <returns>False when there is a session with its index.</returns>
    public bool TryRestore(Session restored)
    {
        if (Holds(restored.Handle))
        {
            return false;
        }

        if (restored.IsDoomed)
        {
            Doomed.Add(restored);
            return true;
        }

        _byIndex.Add(restored.Handle.Index, restored);
        (restored.IsLoaded ? _loaded : _saved).AddLast(restored.Node);
        if (!restored.SavedByClient)
        {
            spaces.Find(restored.Opener)?.Add(restored);
        }

        return true;
    }

    /// <summary>Goes on with the last manager's state of the TPM. The sessions are there already.</summary>
    public void GoOnFrom(ulong counter, Session? exclusive) => (Counter, Exclusive) = (counter, exclusive);

    /// <summary>
    /// Removes a session. Returns false when it was removed before: a command may end a session that a late check of
    /// the TPM has already found gone.
    /// </summary>
    private bool Remove(Session ended)
    {
        if (!_byIndex.TryGetValue(ended.Handle.Index, out Session? known) || known != ended)
        {
            return false;
        }

        spaces.Find(ended.Opener)?.Remove(ended);
        _byIndex.Remove(ended.Handle.Index);
        (ended.IsLoaded ? _loaded : _saved).Remove(ended.Node);
        if (Exclusive == ended)
        {
            SetExclusive(null);
        }

        return true;
    }
}
