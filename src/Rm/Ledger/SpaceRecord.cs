using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>What one space holds: its transient objects by the handles that its client knows, and its sessions.</summary>
/// <param name="id">Its identity.</param>
/// <param name="owner">Whose it is.</param>
/// <param name="isRaw">Its client talks to the TPM itself: it holds nothing here.</param>
/// <param name="counts">Counts the objects of all spaces.</param>
internal sealed class SpaceRecord(SpaceId id, SpaceOwner owner, bool isRaw, ObjectCounts counts)
{
    private readonly Dictionary<VirtualHandle, TransientObject> _objects = [];
    private readonly HashSet<Session> _sessions = [];

    public SpaceId Id { get; } = id;

    public SpaceOwner Owner { get; } = owner;

    /// <summary>
    /// The opener talks to the TPM itself: nothing is mapped, and nothing is tracked but what concerns managed spaces.
    /// </summary>
    public bool IsRaw { get; } = isRaw;

    /// <summary>The handle that the next object gets, unless an object has it.</summary>
    public VirtualHandle Next { get; private set; } = VirtualHandle.First;

    public IReadOnlyDictionary<VirtualHandle, TransientObject> Objects => _objects;

    /// <summary>The sessions that this space holds and may use.</summary>
    public IReadOnlyCollection<Session> Sessions => _sessions;

    /// <summary>
    /// Names a new object with a handle that no object of this space has, nor had until the range wrapped around.
    /// </summary>
    public VirtualHandle Add(TransientObject added)
    {
        while (_objects.ContainsKey(Next))
        {
            Next = Next.Next;
        }

        VirtualHandle handle = Next;
        Restore(handle, added);
        Next = handle.Next;
        return handle;
    }

    /// <summary>Adds an object as a snapshot has it.</summary>
    public void Restore(VirtualHandle handle, TransientObject added)
    {
        _objects.Add(handle, added);
        counts.Add(DomainUser.Of(Owner));
    }

    /// <summary>Goes on with the handles of a snapshot.</summary>
    public void GoOnFrom(VirtualHandle next) => Next = next;

    public bool TryFind(TpmHandle named, out TransientObject found) =>
        _objects.TryGetValue(new VirtualHandle(named.Value), out found!) && !found.IsLost;

    public void Remove(TpmHandle named) => Remove(new VirtualHandle(named.Value));

    /// <summary>Forgets objects that are lost, which nobody can name but which were counted.</summary>
    public void ForgetLost(Action<TransientObject> removed) => RemoveWhere(held => held.IsLost, removed);

    /// <summary>Takes out the objects that <paramref name="gone"/> picks.</summary>
    public void RemoveWhere(Func<TransientObject, bool> gone, Action<TransientObject> removed)
    {
        foreach ((VirtualHandle handle, TransientObject candidate) in _objects)
        {
            if (gone(candidate))
            {
                Remove(handle);
                removed(candidate);
            }
        }
    }

    public void Add(Session held) => _sessions.Add(held);

    public void Remove(Session gone) => _sessions.Remove(gone);

    private void Remove(VirtualHandle handle)
    {
        if (_objects.Remove(handle))
        {
            counts.Remove(DomainUser.Of(Owner));
        }
    }
}
