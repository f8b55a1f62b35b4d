using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds what one space holds: its transient objects by the handles that its client knows, and its sessions.
/// </summary>
/// <param name="id">The space's identity.</param>
/// <param name="owner">The space's owner.</param>
/// <param name="isRaw">True for a raw space: its client talks to the TPM itself, and the space holds nothing.</param>
/// <param name="mirror">Keeps the space's objects.</param>
/// <param name="counts">Counts the objects of all spaces.</param>
internal sealed class SpaceRecord(
    SpaceId id, SpaceOwner owner, bool isRaw, LedgerMirror mirror, DomainShares<SchedulingGroup> counts) : LedgerRecord
{
    private readonly Dictionary<VirtualHandle, TransientObject> _objects = [];
    private readonly HashSet<Session> _sessions = [];

    public SpaceId Id { get; } = id;

    public SpaceOwner Owner { get; } = owner;

    /// <summary>
    /// True when the opener talks to the TPM itself. Its handles are not mapped, and the manager tracks only what
    /// concerns managed spaces.
    /// </summary>
    public bool IsRaw { get; } = isRaw;

    /// <summary>The handle that the next object gets, unless another object has it.</summary>
    public VirtualHandle Next { get; private set; } = VirtualHandle.First;

    public IReadOnlyDictionary<VirtualHandle, TransientObject> Objects => _objects;

    /// <summary>The sessions that this space holds and may use.</summary>
    public IReadOnlyCollection<Session> Sessions => _sessions;

    protected override RecordKind Kind => RecordKind.Space;

    /// <summary>
    /// Gives a new object a handle that no object of this space has, or has had since the range last wrapped around.
    /// </summary>
    public VirtualHandle Add(TransientObject added)
    {
        while (_objects.ContainsKey(Next))
        {
            Next = Next.Next;
        }

        VirtualHandle handle = Next;
        Next = handle.Next;
        Changed();
        _ = TryRestore(handle, added);
        added.Enter(mirror, Id, handle);
        return handle;
    }

    /// <summary>Goes on with an object of the last manager.</summary>
    /// <returns>False when the space has an object with this handle.</returns>
    public bool TryRestore(VirtualHandle handle, TransientObject added)
    {
        bool isNew = _objects.TryAdd(handle, added);
        if (isNew)
        {
            counts.Add(Owner.Group, Owner.Payer);
        }

        return isNew;
    }

    /// <summary>Goes on with the handles of the last manager.</summary>
    public void GoOnFrom(VirtualHandle next) => Next = next;

    public bool TryFind(TpmHandle named, out TransientObject found) =>
        _objects.TryGetValue(new VirtualHandle(named.Value), out found!) && !found.IsLost;

    public void Remove(TpmHandle named) => Remove(new VirtualHandle(named.Value));

    /// <summary>Forgets lost objects. No command can name them, but they still count against the limit.</summary>
    public void ForgetLost(Action<TransientObject> removed) => RemoveWhere(held => held.IsLost, removed);

    /// <summary>Removes the objects that <paramref name="gone"/> picks.</summary>
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

    public override ReadOnlySpan<byte> Encode(RecordWriter writer)
    {
        writer.Int64(Id.Value);
        writer.Owner(Owner);
        writer.Bool(IsRaw);
        writer.UInt32(Next.Value);
        return writer.Written;
    }

    private void Remove(VirtualHandle handle)
    {
        if (_objects.Remove(handle, out TransientObject? removed))
        {
            removed.Leave();
            counts.Add(Owner.Group, Owner.Payer, amount: -1);
        }
    }
}
