using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Objects;

/// <summary>
/// Moves transient objects into and out of the TPM's slots. Used by the manager's thread alone.
/// </summary>
/// <param name="channel">The way to the TPM.</param>
/// <param name="objects">The objects in the slots.</param>
/// <param name="slots">The number of slots.</param>
/// <param name="reserve">The number of slots that are left to the TPM's other users.</param>
internal sealed class ObjectResidency(TpmChannel channel, ObjectLedger objects, SlotCount slots, int reserve)
{
    /// <summary>Gets the number of objects that have left the TPM since the start to make room for others.</summary>
    public long Evictions { get; private set; }

    /// <summary>Makes room for the command and loads the objects that it names.</summary>
    public TpmStepResult Prepare(CommandPlan plan)
    {
        int missing = 0;
        foreach (TransientObject named in plan.Objects)
        {
            missing += named.Resident is null ? 1 : 0;
        }

        int wanted = missing + plan.NewObjects;
        while (wanted > 0 && objects.Count + wanted > Capacity)
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

    /// <summary>
    /// Learns from the TPM's refusal that it has no more slots than are taken now, and gives one back.
    /// </summary>
    public TpmStepResult MakeRoom(CommandPlan plan)
    {
        slots.Shrink(objects.Count);
        return EvictOne(plan);
    }

    /// <summary>
    /// Takes one object that the plan does not name out of the TPM. The result is <see cref="TpmStepResult.NoRoom"/>
    /// when there is none.
    /// </summary>
    public TpmStepResult EvictOne(CommandPlan? plan)
    {
        if (objects.Doomed.Count > 0)
        {
            return FlushDoomed();
        }

        TransientObject? victim = EvictionPolicy.Choose(objects, plan);
        return victim is null ? TpmStepResult.NoRoom : Evict(victim);
    }

    /// <summary>
    /// Gives one slot back. The result is <see cref="TpmStepResult.Done"/> while there was one to give back.
    /// </summary>
    public TpmStepResult ReleaseOne()
    {
        TpmStepResult step = EvictOne(null);
        if (objects.Count == 0)
        {
            slots.Forget();
        }

        return step;
    }

    /// <summary>Flushes one object whose opener is gone.</summary>
    public TpmStepResult FlushDoomed()
    {
        if (objects.Doomed.Count == 0)
        {
            return TpmStepResult.NoRoom;
        }

        OwnResult result = channel.FlushContext(objects.FirstDoomed);
        TpmStepResult step = result.AsStep();
        if (step == TpmStepResult.Done || result.IsRefusal())
        {
            objects.RemoveFirstDoomed();
        }

        return step;
    }

    /// <summary>
    /// Saves every resident object that has no context yet, since only a context tells the object's hierarchy.
    /// </summary>
    public TpmStepResult LearnHierarchies()
    {
        foreach (TransientObject resident in objects.Residents.Where(resident => resident.Hierarchy is null).ToArray())
        {
            TpmStepResult step = Save(resident);
            if (step != TpmStepResult.Done)
            {
                return step;
            }
        }

        return TpmStepResult.Done;
    }

    /// <summary>Saves a context of the object, so that its hierarchy is known and the object can leave.</summary>
    public TpmStepResult Save(TransientObject resident)
    {
        OwnResult result = channel.ContextSave(resident.Resident!.Value, out ReadOnlySpan<byte> context);
        TpmStepResult step = result.AsStep();
        if (step == TpmStepResult.Done)
        {
            resident.KeepContext(context);
        }
        else if (step == TpmStepResult.Inconsistent && result.Code == TpmRc.ReferenceHandle(0))
        {
            objects.Leave(resident);
        }
        else if (result.IsRefusal())
        {
            objects.Doom(resident);
        }

        return step;
    }

    /// <summary>
    /// Finds out whether the TPM still takes an object's context: loads the context, and flushes the object again.
    /// Drops a context that the TPM refuses.
    /// </summary>
    public TpmStepResult TryContext(TransientObject away)
    {
        OwnResult loaded = channel.ContextLoad(away.Context, out TpmHandle handle);
        if (loaded.IsRefusal())
        {
            away.ForgetContext();
            return TpmStepResult.Done;
        }

        if (!loaded.Succeeded)
        {
            return loaded.AsStep();
        }

        objects.Enter(away, handle);
        TpmStepResult flushed = channel.FlushContext(handle).AsStep();
        if (flushed == TpmStepResult.Done)
        {
            objects.Leave(away);
        }

        return flushed;
    }

    private int Capacity => Math.Max(slots.Now - reserve, 1);

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
                bool isUnexpected = objects.Holds(handle);
                objects.Vacate(handle);
                objects.Enter(missing, handle);
                return isUnexpected ? TpmStepResult.Inconsistent : step;
            }

            if (result.IsRefusal())
            {
                missing.ForgetContext();
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
            objects.Leave(victim);
        }

        return flushed;
    }
}
