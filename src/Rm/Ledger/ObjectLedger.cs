using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds the transient objects that are in the TPM's slots, and the handles there that no space can name any more.
/// </summary>
/// <remarks>
/// An object that leaves without a context of its present state is lost, and so is an object whose context the TPM
/// refuses. A lost object is neither resident nor has a context.
/// </remarks>
internal sealed class ObjectLedger(StateRecord record, TimeProvider time)
{
    private readonly List<TransientObject> _residents = [];
    private readonly Queue<TpmHandle> _doomed = [];

    /// <summary>The objects that are in the TPM and that a space may name.</summary>
    public IReadOnlyList<TransientObject> Residents => _residents;

    /// <summary>The TPM's handles of objects that no space can name any more; they are to be flushed.</summary>
    public IReadOnlyCollection<TpmHandle> Doomed => _doomed;

    /// <summary>The doomed handle that is flushed next. There must be one.</summary>
    public TpmHandle FirstDoomed => _doomed.Peek();

    /// <summary>Gets the number of the TPM's slots that the manager takes.</summary>
    public int Count => _residents.Count + _doomed.Count;

    /// <summary>Gets the number of uses of objects since the start.</summary>
    public long Uses { get; private set; }

    /// <summary>Records that the object is in the TPM under this handle, and was used just now.</summary>
    public void Enter(TransientObject entered, TpmHandle handle)
    {
        entered.EnterTpm(handle, time.GetTimestamp(), Uses);
        _residents.Add(entered);
    }

    /// <summary>Records that a command used the object.</summary>
    public void Use(TransientObject used) => used.Use(++Uses);

    /// <summary>Records that the object has left the TPM; it may come back from its context.</summary>
    public void Leave(TransientObject left)
    {
        if (left.Resident is not null)
        {
            left.LeaveTpm();
            _residents.Remove(left);
        }
    }

    /// <summary>Records that the object has ended in the TPM, and removes it here.</summary>
    public void End(TransientObject ended)
    {
        Leave(ended);
        ended.ForgetContext();
        ended.PublicAnswer = null;
    }

    /// <summary>
    /// Dooms an object: no space can name it any more, and it is flushed when its slot is wanted or the manager is
    /// idle.
    /// </summary>
    public void Doom(TransientObject orphan)
    {
        if (orphan.Resident is { } handle)
        {
            Doom(handle);
        }

        End(orphan);
    }

    /// <summary>Dooms the object that the TPM has under a handle that no space knows.</summary>
    public void Doom(TpmHandle unknown)
    {
        _doomed.Enqueue(unknown);
        record.Changed();
    }

    /// <summary>Records that the first of the doomed handles is out of the TPM.</summary>
    public void RemoveFirstDoomed()
    {
        _doomed.Dequeue();
        record.Changed();
    }

    /// <summary>Records that the TPM has nothing under this handle, whatever the ledger says.</summary>
    public void Vacate(TpmHandle handle)
    {
        if (Holds(handle))
        {
            KeepOnly(resident => resident.Resident != handle, doomed => doomed != handle);
        }
    }

    /// <summary>Records which of the objects are still in the TPM.</summary>
    public void KeepOnly(Func<TransientObject, bool> resident, Func<TpmHandle, bool> doomed)
    {
        foreach (TransientObject gone in _residents.Where(held => !resident(held)).ToArray())
        {
            Leave(gone);
        }

        TpmHandle[] kept = _doomed.Where(doomed).ToArray();
        _doomed.Clear();
        Array.ForEach(kept, _doomed.Enqueue);
        record.Changed();
    }

    /// <summary>
    /// Returns true when the manager has something in the TPM under this handle. If the TPM gives the handle to a new
    /// object, the TPM has been restarted unnoticed.
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

    /// <summary>Goes on with an object of the last manager.</summary>
    public void Restore(TransientObject restored)
    {
        Uses = Math.Max(Uses, restored.LastUse);
        if (restored.Resident is not null)
        {
            _residents.Add(restored);
        }
    }

    /// <summary>Goes on with the doomed handles of the last manager.</summary>
    public void GoOnWith(IEnumerable<uint> doomed)
    {
        foreach (uint handle in doomed)
        {
            _doomed.Enqueue(new TpmHandle(handle));
        }
    }
}
