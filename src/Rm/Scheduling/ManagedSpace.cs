using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Represents one opener's handle space. The manager's thread owns what the space holds. The queue's lock guards the
/// command and its state.
/// </summary>
internal sealed class ManagedSpace : Space
{
    private readonly SpaceServices _services;
    private readonly Action? _closed;
    private volatile byte _locality;

    /// <param name="closed">Called when the opener closes the space.</param>
    /// <param name="commands">The number of commands that the space has had under an earlier manager.</param>
    public ManagedSpace(
        SpaceServices services, SpaceRecord record, ISpaceClient client, Action? closed = null, long commands = 0)
    {
        _services = services;
        Record = record;
        Client = client;
        _closed = closed;
        Pending = new PendingCommand(this, commands);
        _locality = record.Owner.Locality;
    }

    /// <summary>Gets what the space holds. Only the manager's thread may read the parts that can change.</summary>
    public SpaceRecord Record { get; }

    public override SpaceId Id => Record.Id;

    public SpaceOwner Owner => Record.Owner;

    public override byte Locality
    {
        get => _locality;
        set => _locality = value;
    }

    public ISpaceClient Client { get; }

    /// <summary>The command under way.</summary>
    public PendingCommand Pending { get; }

    public override int ObjectCount => Record.Objects.Count;

    public override int SessionCount => Record.Sessions.Count;

    public override bool TrySubmit(ReadOnlySpan<byte> command, bool lends = false) =>
        _services.Queue.Submit(Pending, command, lends);

    public override LendResult Lend() => _services.Lend(Pending);

    public override void Cancel() => _services.Queue.Cancel(Pending);

    public override void Close()
    {
        if (_services.Queue.Close(Pending))
        {
            _closed?.Invoke();
        }
    }
}

/// <summary>Holds the parts that every space of a manager uses.</summary>
/// <param name="Queue">Takes the spaces' commands.</param>
/// <param name="Lend">Runs the next command on the caller's thread, for the opener whose command is given.</param>
internal sealed record SpaceServices(CommandQueue Queue, Func<PendingCommand, LendResult> Lend);
