using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>
/// The sessions of all openers: whose they are, who may still name them, and which are loaded. Used by the manager's
/// thread alone.
/// </summary>
internal sealed class SessionTable(TpmChannel channel, TimeProvider time)
{
    private readonly Dictionary<uint, Session> _byIndex = [];

    /// <summary>Least recently used first.</summary>
    private readonly LinkedList<Session> _loaded = [];

    /// <summary>In the order of their sequence numbers: the TPM's context gap is measured from the first.</summary>
    private readonly LinkedList<Session> _saved = [];

    /// <summary>Sessions that nobody can name any more, to be flushed.</summary>
    private readonly Queue<Session> _doomed = [];

    private int _doomedLoaded;
    private ulong _counter;

    /// <summary>How many session slots of the TPM are taken by the manager.</summary>
    public int LoadedCount => _loaded.Count + _doomedLoaded;

    public bool HasDoomed => _doomed.Count > 0;

    /// <summary>A session that nobody can name takes a slot.</summary>
    public bool HasDoomedLoaded => _doomedLoaded > 0;

    /// <summary>The sessions that somebody may still name.</summary>
    public IReadOnlyCollection<Session> All => _byIndex.Values;

    /// <summary>All that the TPM may hold for the manager.</summary>
    public int Count => _byIndex.Count + _doomed.Count;

    /// <summary>The saved session from which the TPM's context gap is measured.</summary>
    public Session? OldestSaved => _saved.First?.Value;

    /// <summary>How far the TPM's context counter is from the oldest saved session.</summary>
    public ulong Gap => OldestSaved is { } oldest ? _counter - oldest.Sequence : 0;

    /// <summary>
    /// The session whose last response had auditExclusive set: a command of the manager's own that is not about
    /// contexts would end that.
    /// </summary>
    public Session? Exclusive { get; set; }

    /// <summary>How many sessions the TPM has got back since the start.</summary>
    public long ReleasedCount { get; private set; }

    /// <summary>Whether a TPM handle is that of a session the manager knows.</summary>
    public bool Holds(TpmHandle handle) => _byIndex.ContainsKey(handle.Index) || IsDoomed(handle);

    /// <summary>
    /// The session is to be flushed: nobody may name it, though its context may be in a client's hands.
    /// </summary>
    public bool IsDoomed(TpmHandle handle)
    {
        foreach (Session orphan in _doomed)
        {
            if (orphan.Handle.Index == handle.Index)
            {
                return true;
            }
        }

        return false;
    }

    public bool TryFind(TpmHandle handle, out Session session)
    {
        session = null!;
        return handle.IsSession && _byIndex.TryGetValue(handle.Index, out session!);
    }

    /// <summary>A session was started or loaded, and is in the TPM.</summary>
    public void Enter(Session entered)
    {
        _byIndex[entered.Handle.Index] = entered;
        _loaded.AddLast(entered.Node);
        entered.LastUse = time.GetTimestamp();
    }

    /// <summary>The loaded session used least recently, of those that the plan does not name.</summary>
    public Session? LeastRecentlyUsed(CommandPlan? plan)
    {
        LinkedListNode<Session>? node = _loaded.First;
        while (node is not null && plan is not null && plan.Sessions.Contains(node.Value))
        {
            node = node.Next;
        }

        return node?.Value;
    }

    /// <summary>The session's context is in the TPM's hands again; the TPM loaded it for its client.</summary>
    public void Loaded(Session loaded)
    {
        _saved.Remove(loaded.Node);
        loaded.ForgetContext();
        _loaded.AddLast(loaded.Node);
    }

    /// <summary>The session left its slot, into this context.</summary>
    public void Saved(Session saved, ReadOnlySpan<byte> context)
    {
        _loaded.Remove(saved.Node);
        saved.Keep(context);
        saved.Sequence = TpmContext.TryRead(context, out TpmContext head) ? head.Sequence : _counter;
        _counter = Math.Max(_counter, saved.Sequence);
        _saved.AddLast(saved.Node);
    }

    /// <summary>
    /// The session's client has its present context: it outlives its opener, who may not use it any more until it is
    /// loaded again.
    /// </summary>
    public void SavedByClient(Session saved, ManagedSpace by)
    {
        saved.Token = saved.Context;
        saved.LastUse = time.GetTimestamp();
        by.Sessions.Remove(saved);
        EnforceSavedLimit(saved.Owner);
    }

    /// <summary>A command used the session.</summary>
    public void Used(Session used)
    {
        used.LastUse = time.GetTimestamp();
        if (used.IsLoaded)
        {
            _loaded.Remove(used.Node);
            _loaded.AddLast(used.Node);
        }
    }

    /// <summary>The session ended, in the TPM and here.</summary>
    public void Ended(Session ended) => ReleasedCount += Remove(ended) ? 1 : 0;

    /// <summary>The opener is gone: what it saved stays for its owner, the rest is flushed.</summary>
    public void OpenerGone(ManagedSpace opener)
    {
        foreach (Session session in _byIndex.Values.Where(session => session.Opener == opener).ToArray())
        {
            session.Opener = null;
            if (!session.SavedByClient)
            {
                Doom(session);
            }
        }
    }

    /// <summary>The group is gone, with its openers: nobody will load what they saved.</summary>
    public void GroupGone(SchedulingGroup group)
    {
        foreach (Session session in _byIndex.Values.Where(
            session => session.Owner.Group == group && session.IsAbandoned).ToArray())
        {
            Doom(session);
        }
    }

    /// <summary>
    /// Nobody may name the session any more: it is flushed when room is wanted or nothing else is to do. So goes one
    /// that the TPM will not load or save, or does not find loaded: it may be there all the same, where a response was
    /// lost with the link.
    /// </summary>
    public void Doom(Session orphan)
    {
        if (Remove(orphan))
        {
            _doomed.Enqueue(orphan);
            _doomedLoaded += orphan.IsLoaded ? 1 : 0;
        }
    }

    /// <summary>Every session goes, saved by clients or not.</summary>
    public void DoomAll()
    {
        foreach (Session session in _byIndex.Values.ToArray())
        {
            Doom(session);
        }
    }

    /// <summary>Flushes one session that nobody can name.</summary>
    public TpmStepResult FlushDoomed()
    {
        if (!_doomed.TryPeek(out Session? orphan))
        {
            return TpmStepResult.NoRoom;
        }

        OwnResult result = channel.FlushContext(orphan.Handle);
        TpmStepResult step = result.AsStep();
        if (step == TpmStepResult.Done || (step == TpmStepResult.Inconsistent && result.Code != TpmRc.Initialize))
        {
            _doomed.Dequeue();
            _doomedLoaded -= orphan.IsLoaded ? 1 : 0;
            ReleasedCount++;
        }

        return step;
    }

    /// <summary>The sessions that this owner's clients saved.</summary>
    public IEnumerable<Session> SavedBy(SpaceOwner owner) =>
        _byIndex.Values.Where(saved => saved.SavedByClient && saved.Owner == owner);

    /// <summary>Whatever was thought to have this session handle is not there.</summary>
    public void Vacate(TpmHandle handle)
    {
        if (TryFind(handle, out Session gone))
        {
            Ended(gone);
        }

        Session[] others = _doomed.Where(orphan => orphan.Handle.Index != handle.Index).ToArray();
        KeepDoomed(others);
    }

    /// <summary>
    /// The TPM was restarted: what it does not hold any more is gone, and its context counter may have begun anew.
    /// </summary>
    public void TpmRestarted(TpmHoldings holdings)
    {
        foreach (Session gone in _byIndex.Values.Where(session => !holdings.Has(session)).ToArray())
        {
            Ended(gone);
        }

        KeepDoomed(_doomed.Where(holdings.Has).ToArray());
        _counter = _saved.Count > 0 ? _saved.Max(saved => saved.Sequence) : 0;
        Exclusive = null;
    }

    /// <summary>Past the limit of saved sessions, the oldest of this owner go.</summary>
    private void EnforceSavedLimit(SpaceOwner owner)
    {
        while (SavedBy(owner).Count() > owner.Group.Limits.SavedSessionsMax)
        {
            Doom(SavedBy(owner).MinBy(saved => saved.LastUse)!);
        }
    }

    /// <summary>
    /// False when it was removed before: a command may end a session that a late look at the TPM has already found
    /// gone.
    /// </summary>
    private bool Remove(Session ended)
    {
        if (!_byIndex.TryGetValue(ended.Handle.Index, out Session? known) || known != ended)
        {
            return false;
        }

        ended.Opener?.Sessions.Remove(ended);
        _byIndex.Remove(ended.Handle.Index);
        (ended.IsLoaded ? _loaded : _saved).Remove(ended.Node);
        if (Exclusive == ended)
        {
            Exclusive = null;
        }

        return true;
    }

    private void KeepDoomed(Session[] kept)
    {
        _doomed.Clear();
        Array.ForEach(kept, _doomed.Enqueue);
        _doomedLoaded = kept.Count(orphan => orphan.IsLoaded);
    }
}
