namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds all that the next manager needs to go on (<see cref="SnapshotWriter"/>): what the manager holds for its
/// spaces, and what it has learned of the TPM and cannot ask again. The other folders act on the TPM and record here
/// what the TPM did. Used by the manager's thread alone, except for the ids.
/// </summary>
internal sealed class TpmLedger
{
    private long _lastSpace;
    private long _lastGroup;

    public TpmLedger(TimeProvider time)
    {
        Objects = new ObjectLedger(time);
        Sessions = new SessionLedger(Spaces, time);
    }

    public SpaceLedger Spaces { get; } = new();

    public ObjectLedger Objects { get; }

    public SessionLedger Sessions { get; }

    /// <summary>The TPM's slots for transient objects.</summary>
    public SlotCount ObjectSlots { get; } = new();

    /// <summary>The TPM's slots for loaded sessions.</summary>
    public SlotCount SessionSlots { get; } = new();

    public ContextGap Gap { get; } = new();

    public TpmCounts Counts { get; } = new();

    /// <summary>The ids given last.</summary>
    public (long Space, long Group) LastIds => (Volatile.Read(ref _lastSpace), Volatile.Read(ref _lastGroup));

    /// <summary>Returns an id that no space had before. Any thread.</summary>
    public SpaceId NewSpaceId() => new(Interlocked.Increment(ref _lastSpace));

    /// <summary>Returns an id that no group had before. Any thread.</summary>
    public GroupId NewGroupId() => new(Interlocked.Increment(ref _lastGroup));

    /// <summary>
    /// Records that a space is closed. What the TPM holds for it is doomed, except the sessions that its client saved.
    /// </summary>
    public void LetGo(SpaceRecord space)
    {
        space.RemoveWhere(_ => true, Objects.Doom);
        Sessions.LoseOpener(space);
        Spaces.Remove(space);
    }

    /// <summary>Goes on from a snapshot. New ids come after these.</summary>
    public void RestoreIds(long space, long group) => (_lastSpace, _lastGroup) = (space, group);
}
