namespace TpmFs.Rm.Ledger;

/// <summary>Holds the spaces that have sent a command, by their ids.</summary>
internal sealed class SpaceLedger
{
    private readonly Dictionary<SpaceId, SpaceRecord> _spaces = [];

    public IReadOnlyCollection<SpaceRecord> All => _spaces.Values;

    /// <summary>The transient objects of all spaces.</summary>
    public ObjectCounts Objects { get; } = new();

    /// <summary>Enters a space, unless it is there already.</summary>
    public void Enter(SpaceRecord entered) => _spaces.TryAdd(entered.Id, entered);

    public SpaceRecord? Find(SpaceId? id) => id is { } known ? _spaces.GetValueOrDefault(known) : null;

    /// <summary>Removes a space that is closed. The caller lets go of what it held.</summary>
    public void Remove(SpaceRecord closed) => _spaces.Remove(closed.Id);
}
