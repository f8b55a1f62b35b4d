namespace TpmFs.Rm.Ledger;

/// <summary>Holds the spaces that have sent a command, by their ids.</summary>
internal sealed class SpaceLedger(LedgerMirror mirror, GroupLedger groups)
{
    private readonly Dictionary<SpaceId, SpaceRecord> _spaces = [];

    public IReadOnlyCollection<SpaceRecord> All => _spaces.Values;

    /// <summary>Counts the transient objects of all spaces.</summary>
    public DomainShares<SchedulingGroup> Objects { get; } = new();

    /// <summary>Enters a space, unless it is there already.</summary>
    public void Enter(SpaceRecord entered)
    {
        if (_spaces.TryAdd(entered.Id, entered))
        {
            groups.Enter(entered.Owner.Group);
            entered.Enter(mirror);
        }
    }

    /// <summary>Goes on with a space of the last manager.</summary>
    /// <returns>False when there is a space with its id.</returns>
    public bool TryRestore(SpaceRecord restored) => _spaces.TryAdd(restored.Id, restored);

    public SpaceRecord? Find(SpaceId? id) => id is { } known ? _spaces.GetValueOrDefault(known) : null;

    /// <summary>Removes a space that is closed. The caller has dropped its objects and sessions.</summary>
    public void Remove(SpaceRecord closed)
    {
        if (_spaces.Remove(closed.Id))
        {
            closed.Leave();
        }
    }
}
