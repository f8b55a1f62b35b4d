namespace TpmFs.Rm.Ledger;

/// <summary>The spaces that have sent a command, by their ids.</summary>
internal sealed class SpaceLedger
{
    private readonly Dictionary<SpaceId, SpaceRecord> _spaces = [];

    public IReadOnlyCollection<SpaceRecord> All => _spaces.Values;

    /// <summary>The transient objects of all spaces.</summary>
    public ObjectCounts Objects { get; } = new();

    /// <summary>Enters a space; one that is there already stays.</summary>
    public void Enter(SpaceRecord entered) => _spaces.TryAdd(entered.Id, entered);

    public SpaceRecord? Find(SpaceId? id) => id is { } known ? _spaces.GetValueOrDefault(known) : null;

    /// <summary>Takes out a space that is closed. What it held is the caller's to let go.</summary>
    public void Remove(SpaceRecord closed) => _spaces.Remove(closed.Id);
}
