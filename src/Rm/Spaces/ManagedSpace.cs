using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>
/// One opener's handle space. The handles are the manager's thread's; the command and its state are the scheduler's,
/// under its lock.
/// </summary>
internal sealed class ManagedSpace : Space
{
    private readonly SpaceServices _services;
    private readonly Action? _closed;
    private readonly Dictionary<VirtualHandle, TransientObject> _objects = [];
    private VirtualHandle _next = VirtualHandle.First;

    /// <param name="closed">Told when the opener closes the space.</param>
    public ManagedSpace(
        SpaceServices services,
        SpaceOwner owner,
        ISpaceClient client,
        bool isRaw = false,
        Action? closed = null)
    {
        _services = services;
        Owner = owner;
        Client = client;
        IsRaw = isRaw;
        _closed = closed;
        Pending = new PendingCommand(this);
    }

    public SpaceOwner Owner { get; }

    public ISpaceClient Client { get; }

    /// <summary>The command under way.</summary>
    public PendingCommand Pending { get; }

    /// <summary>The sessions that this opener holds and may use.</summary>
    public HashSet<Session> Sessions { get; } = [];

    /// <summary>
    /// The opener talks to the TPM itself: nothing is mapped, and nothing is tracked but what concerns managed spaces.
    /// </summary>
    public bool IsRaw { get; }

    public override int ObjectCount => _objects.Count;

    /// <summary>True when the space's limit and what is left for its user allow one more object.</summary>
    public bool HasRoomForObject =>
        _objects.Count < Owner.Group.Limits.ObjectsMax && _services.Budget.HasRoomFor(DomainUser.Of(Owner));

    public override int SessionCount => Sessions.Count;

    public IReadOnlyDictionary<VirtualHandle, TransientObject> Objects => _objects;

    /// <summary>
    /// Names a new object with a handle that no object of this space has, nor had until the range wrapped around.
    /// </summary>
    public VirtualHandle Add(TransientObject added)
    {
        while (_objects.ContainsKey(_next))
        {
            _next = _next.Next;
        }

        VirtualHandle handle = _next;
        _next = _next.Next;
        _objects.Add(handle, added);
        _services.Budget.Add(DomainUser.Of(Owner));
        return handle;
    }

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

    public override bool TrySubmit(ReadOnlySpan<byte> command, bool lends = false) =>
        _services.Queue.Submit(Pending, command, lends);

    public override void Lend() => _services.Lend();

    public override void Cancel() => _services.Queue.Cancel(Pending);

    public override void Close()
    {
        if (_services.Queue.Close(Pending))
        {
            _closed?.Invoke();
        }
    }

    private void Remove(VirtualHandle handle)
    {
        if (_objects.Remove(handle))
        {
            _services.Budget.Remove(DomainUser.Of(Owner));
        }
    }
}

/// <summary>What every space of a manager uses.</summary>
/// <param name="Queue">Takes the spaces' commands.</param>
/// <param name="Lend">Runs the command under way on the caller's thread, where that can be.</param>
/// <param name="Budget">Counts the objects of all spaces.</param>
internal sealed record SpaceServices(CommandQueue Queue, Action Lend, ObjectBudget Budget);
