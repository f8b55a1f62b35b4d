using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>Which transient objects are in the TPM's slots, and what is in them that nobody can name any more.</summary>
/// <remarks>
/// An object that leaves without a context of its present state, or whose context the TPM refuses, is lost: it is
/// neither resident nor has it a context.
/// </remarks>
internal sealed class ObjectLedger(TimeProvider time)
{
    private readonly List<TransientObject> _residents = [];
    private readonly Queue<TpmHandle> _doomed = [];

    /// <summary>The objects that are in the TPM and that somebody may name.</summary>
    public IReadOnlyList<TransientObject> Residents => _residents;

    /// <summary>The TPM's handles of objects that nobody can name any more, to be flushed.</summary>
    public IReadOnlyCollection<TpmHandle> Doomed => _doomed;

    /// <summary>The one of the doomed that is flushed next; there must be one.</summary>
    public TpmHandle FirstDoomed => _doomed.Peek();

    /// <summary>How many slots of the TPM are taken by the manager.</summary>
    public int Count => _residents.Count + _doomed.Count;

    /// <summary>Uses of any object since the start.</summary>
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

    /// <summary>Records that the object ended, in the TPM and here.</summary>
    public void End(TransientObject ended)
    {
        Leave(ended);
        ended.ForgetContext();
        ended.PublicAnswer = null;
    }

    /// <summary>
    /// Records that nobody can name the object any more: it is flushed when its slot is wanted or nothing else is to
    /// do.
    /// </summary>
    public void Doom(TransientObject orphan)
    {
        if (orphan.Resident is { } handle)
        {
            _doomed.Enqueue(handle);
        }

        End(orphan);
    }

    /// <summary>Records that the first of the doomed is out of the TPM.</summary>
    public void RemoveFirstDoomed() => _doomed.Dequeue();

    /// <summary>Records that whatever was thought to be in the TPM under this handle is not.</summary>
    public void Vacate(TpmHandle handle)
    {
        if (Holds(handle))
        {
            KeepOnly(resident => resident.Resident != handle, doomed => doomed != handle);
        }
    }

    /// <summary>Records what of all that was in the TPM still is.</summary>
    public void KeepOnly(Func<TransientObject, bool> resident, Func<TpmHandle, bool> doomed)
    {
        foreach (TransientObject gone in _residents.Where(held => !resident(held)).ToArray())
        {
            Leave(gone);
        }

        TpmHandle[] kept = _doomed.Where(doomed).ToArray();
        _doomed.Clear();
        Array.ForEach(kept, _doomed.Enqueue);
    }

    /// <summary>
    /// Returns true when a TPM handle is that of something which the manager has in the TPM. When the TPM gives it to
    /// something new, it has been restarted unnoticed.
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

    /// <summary>Goes on from a snapshot, of which the spaces have been read.</summary>
    public void Restore(IEnumerable<TransientObject> residents, IEnumerable<TpmHandle> doomed, long uses)
    {
        _residents.AddRange(residents);
        foreach (TpmHandle handle in doomed)
        {
            _doomed.Enqueue(handle);
        }

        Uses = uses;
    }
}
