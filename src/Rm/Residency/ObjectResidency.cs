using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>Which transient objects are in the TPM's slots. Used by the manager's thread alone.</summary>
/// <remarks>
/// An object that leaves without a context of its present state, or whose context the TPM refuses, is lost: it is
/// neither resident nor has it a context.
/// </remarks>
internal sealed class ObjectResidency(TpmChannel channel, TimeProvider time, int reserve)
{
    private readonly List<TransientObject> _residents = [];
    private readonly Queue<TpmHandle> _doomed = [];
    private readonly EvictionPolicy _policy = new();
    private int _firstGuess = int.MaxValue;
    private int _slots = int.MaxValue;

    /// <summary>Objects that have left the TPM for others since the start.</summary>
    public long Evictions { get; private set; }

    /// <summary>How many slots of the TPM are taken by the manager.</summary>
    public int Count => _residents.Count + _doomed.Count;

    /// <summary>The object slots that the TPM had while the manager held none of them.</summary>
    public int FirstGuess => _firstGuess;

    /// <summary>Whether something is left to flush whose opener is gone.</summary>
    public bool HasDoomed => _doomed.Count > 0;

    /// <summary>
    /// The slots that the TPM says it has, while the manager holds none of them (TPM_PT_HR_TRANSIENT_AVAIL).
    /// </summary>
    public void Guess(int slots)
    {
        _firstGuess = Math.Max(slots, 1);
        _slots = _firstGuess;
    }

    /// <summary>Makes room for the command and loads what it names.</summary>
    public TpmStepResult Prepare(CommandPlan plan)
    {
        int missing = 0;
        foreach (TransientObject named in plan.Objects)
        {
            missing += named.Resident is null ? 1 : 0;
        }

        int wanted = missing + plan.NewObjects;
        while (wanted > 0 && Count + wanted > Capacity)
        {
            TpmStepResult step = EvictOne(plan);
            if (step == TpmStepResult.NoRoom)
            {
                break;
            }

            if (step != TpmStepResult.Done)
            {
                return step;
            }
        }

        foreach (TransientObject named in plan.Objects)
        {
            TpmStepResult step = named.Resident is null ? Load(named, plan) : TpmStepResult.Done;
            if (step != TpmStepResult.Done)
            {
                return step;
            }
        }

        return TpmStepResult.Done;
    }

    /// <summary>The TPM refused for want of a slot: it has no more than are taken now. Gives one back.</summary>
    public TpmStepResult MakeRoom(CommandPlan plan)
    {
        _slots = Math.Max(Count, 1);
        return EvictOne(plan);
    }

    /// <summary>
    /// Takes one object out of the TPM that the plan does not name; <see cref="TpmStepResult.NoRoom"/> when there is
    /// none.
    /// </summary>
    public TpmStepResult EvictOne(CommandPlan? plan)
    {
        if (_doomed.Count > 0)
        {
            return FlushDoomed();
        }

        TransientObject? victim = _policy.Choose(_residents, plan);
        return victim is null ? TpmStepResult.NoRoom : Evict(victim);
    }

    /// <summary>
    /// Gives every slot back, one command at a time: <see cref="TpmStepResult.Done"/> while there was one to give back.
    /// </summary>
    public TpmStepResult ReleaseOne()
    {
        TpmStepResult step = EvictOne(null);
        _slots = Count == 0 ? _firstGuess : _slots;
        return step;
    }

    /// <summary>Flushes one object whose opener is gone.</summary>
    public TpmStepResult FlushDoomed()
    {
        if (!_doomed.TryPeek(out TpmHandle handle))
        {
            return TpmStepResult.NoRoom;
        }

        OwnResult result = channel.FlushContext(handle);
        TpmStepResult step = result.AsStep();
        if (step == TpmStepResult.Done || (step == TpmStepResult.Inconsistent && result.Code != TpmRc.Initialize))
        {
            _doomed.Dequeue();
        }

        return step;
    }

    /// <summary>
    /// Saves every resident object of which there is no context yet, since only a context tells the hierarchy.
    /// </summary>
    public TpmStepResult LearnHierarchies()
    {
        foreach (TransientObject resident in _residents.Where(resident => resident.Hierarchy is null).ToArray())
        {
            TpmStepResult step = Save(resident);
            if (step != TpmStepResult.Done)
            {
                return step;
            }
        }

        return TpmStepResult.Done;
    }

    /// <summary>Takes a context of the object, so that its hierarchy is known and it can leave.</summary>
    public TpmStepResult Save(TransientObject resident)
    {
        OwnResult result = channel.ContextSave(resident.Resident!.Value, out ReadOnlySpan<byte> context);
        TpmStepResult step = result.AsStep();
        if (step == TpmStepResult.Done)
        {
            Remember(resident, context);
        }
        else if (step == TpmStepResult.Inconsistent && result.Code == TpmRc.ReferenceHandle(0))
        {
            Left(resident);
        }
        else if (step == TpmStepResult.Inconsistent && result.Code != TpmRc.Initialize)
        {
            Doom(resident);
        }

        return step;
    }

    /// <summary>Keeps a context of the object as it is now.</summary>
    public static void Remember(TransientObject of, ReadOnlySpan<byte> context)
    {
        if (TpmContext.TryRead(context, out TpmContext head))
        {
            of.Context = context.ToArray();
            of.Hierarchy = head.Hierarchy;
            of.IsSequence = head.SavedHandle.Value == TpmContext.SavedSequence;
            of.IsStClear = head.SavedHandle.Value == TpmContext.SavedStClear;
        }
    }

    /// <summary>
    /// Whether the TPM still takes an object's context: loads it, and flushes it again. One that it refuses is dropped.
    /// </summary>
    public TpmStepResult TryContext(TransientObject away)
    {
        OwnResult loaded = channel.ContextLoad(away.Context, out TpmHandle handle);
        if (loaded.AsStep() == TpmStepResult.Inconsistent && loaded.Code != TpmRc.Initialize)
        {
            away.Context = null;
            return TpmStepResult.Done;
        }

        if (!loaded.Succeeded)
        {
            return loaded.AsStep();
        }

        TpmStepResult flushed = channel.FlushContext(handle).AsStep();
        if (flushed != TpmStepResult.Done)
        {
            Enter(away, handle);
        }

        return flushed;
    }

    /// <summary>The object is in the TPM under this handle, and was used just now.</summary>
    public void Enter(TransientObject entered, TpmHandle handle)
    {
        entered.Resident = handle;
        entered.Entered = time.GetTimestamp();
        _residents.Add(entered);
        _policy.Enter(entered);
    }

    /// <summary>A command used the object.</summary>
    public void Used(TransientObject used)
    {
        _policy.Observe(used);
        if (used.IsSequence)
        {
            used.Context = null;
        }
    }

    /// <summary>The object has left the TPM; it may come back from its context.</summary>
    public void Left(TransientObject left)
    {
        if (left.Resident is not null)
        {
            left.Resident = null;
            _residents.Remove(left);
        }
    }

    /// <summary>The object ended, in the TPM and here.</summary>
    public void Ended(TransientObject ended)
    {
        Left(ended);
        ended.Context = null;
        ended.PublicAnswer = null;
    }

    /// <summary>
    /// Nobody can name the object any more: it is flushed when its slot is wanted or nothing else is to do.
    /// </summary>
    public void Doom(TransientObject orphan)
    {
        if (orphan.Resident is { } handle)
        {
            _doomed.Enqueue(handle);
        }

        Ended(orphan);
    }

    /// <summary>Whatever was thought to be in the TPM under this handle is not.</summary>
    public void Vacate(TpmHandle handle)
    {
        if (!Holds(handle))
        {
            return;
        }

        foreach (TransientObject gone in _residents.Where(resident => resident.Resident == handle).ToArray())
        {
            Left(gone);
        }

        KeepDoomed(doomed => doomed != handle);
    }

    /// <summary>The TPM was restarted: what it does not hold any more has left it.</summary>
    public void TpmRestarted(TpmHoldings holdings)
    {
        foreach (TransientObject gone in _residents.Where(resident => !holdings.HasResident(resident)).ToArray())
        {
            Left(gone);
        }

        KeepDoomed(holdings.HasTransient);
        _slots = _firstGuess;
    }

    /// <summary>
    /// Whether a TPM handle is that of something which the manager has in the TPM. When the TPM gives it to something
    /// new, it has been restarted unnoticed.
    /// </summary>
    public bool Holds(TpmHandle handle)
    {
        foreach (TransientObject resident in _residents)
        {
            if (resident.Resident == handle)
            {
                return true;
            }
        }

        return _doomed.Contains(handle);
    }

    private void KeepDoomed(Func<TpmHandle, bool> whether)
    {
        TpmHandle[] kept = _doomed.Where(whether).ToArray();
        _doomed.Clear();
        Array.ForEach(kept, _doomed.Enqueue);
    }

    private int Capacity => Math.Max(_slots - reserve, 1);

    private TpmStepResult Load(TransientObject missing, CommandPlan plan)
    {
        while (true)
        {
            if (missing.Context is null)
            {
                return TpmStepResult.Inconsistent;
            }

            OwnResult result = channel.ContextLoad(missing.Context, out TpmHandle handle);
            TpmStepResult step = result.AsStep();
            if (step == TpmStepResult.Done)
            {
                bool isUnexpected = Holds(handle);
                Vacate(handle);
                Enter(missing, handle);
                return isUnexpected ? TpmStepResult.Inconsistent : step;
            }

            if (step == TpmStepResult.Inconsistent && result.Code != TpmRc.Initialize)
            {
                missing.Context = null;
            }

            step = step == TpmStepResult.NoRoom ? MakeRoom(plan) : step;
            if (step != TpmStepResult.Done)
            {
                return step;
            }
        }
    }

    private TpmStepResult Evict(TransientObject victim)
    {
        if (victim.Context is null)
        {
            TpmStepResult saved = Save(victim);
            if (saved != TpmStepResult.Done)
            {
                return saved;
            }
        }

        TpmStepResult flushed = channel.FlushContext(victim.Resident!.Value).AsStep();
        if (flushed is TpmStepResult.Done or TpmStepResult.Inconsistent)
        {
            Evictions++;
            Left(victim);
        }

        return flushed;
    }
}
