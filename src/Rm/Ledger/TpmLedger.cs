using TpmFs.Mirror;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds all that the next manager needs to go on, and writes it through to the mirror: the objects and sessions of the
/// manager's spaces, and the facts about the TPM that the manager cannot ask for again. The other folders act on the
/// TPM and record its changes here. Used by the manager's thread alone, except for the ids and groups.
/// </summary>
internal sealed class TpmLedger
{
    private readonly StateRecord _state;
    private long _lastSpace;

    /// <param name="store">The ledger's mirror; null where it has none.</param>
    public TpmLedger(TimeProvider time, RecordStore? store = null)
    {
        _state = new StateRecord(this);
        Mirror = new LedgerMirror(store, time);
        Groups = new GroupLedger(Mirror);
        Spaces = new SpaceLedger(Mirror, Groups);
        Objects = new ObjectLedger(_state, time);
        Sessions = new SessionLedger(Spaces, Mirror, _state, time);
        ObjectSlots = new SlotCount(_state);
        SessionSlots = new SlotCount(_state);
        Counts = new TpmCounts(_state);
    }

    /// <summary>Writes the ledger through.</summary>
    public LedgerMirror Mirror { get; }

    public GroupLedger Groups { get; }

    public SpaceLedger Spaces { get; }

    public ObjectLedger Objects { get; }

    public SessionLedger Sessions { get; }

    /// <summary>Gets the properties that the TPM reports.</summary>
    public ProfileRecord Profile { get; } = new();

    /// <summary>The TPM's slots for transient objects.</summary>
    public SlotCount ObjectSlots { get; }

    /// <summary>The TPM's slots for loaded sessions.</summary>
    public SlotCount SessionSlots { get; }

    public ContextGap Gap { get; } = new();

    public TpmCounts Counts { get; }

    /// <summary>The answer that may not be delivered yet.</summary>
    public AnswerRecord Answer { get; } = new();

    /// <summary>True while the manager is prepared for the machine's sleep.</summary>
    public bool IsSuspended
    {
        get;
        set
        {
            field = value;
            _state.Changed();
        }
    }

    /// <summary>Returns an id that no space had before. Any thread.</summary>
    public SpaceId NewSpaceId() => new(Interlocked.Increment(ref _lastSpace));

    /// <summary>
    /// Records that the last manager gave this id, so that new ones come after it. Before the manager starts.
    /// </summary>
    public void GoOnFrom(SpaceId given) => _lastSpace = Math.Max(_lastSpace, given.Value);

    /// <summary>Returns the record of a space that is not in the ledger yet.</summary>
    public SpaceRecord NewSpace(SpaceId id, SpaceOwner owner, bool isRaw) =>
        new(id, owner, isRaw, Mirror, Spaces.Objects);

    /// <summary>
    /// Records that a space is closed. What the TPM holds for it is doomed, except the sessions that its client saved.
    /// </summary>
    public void LetGo(SpaceRecord space)
    {
        space.RemoveWhere(_ => true, Objects.Doom);
        Sessions.LoseOpener(space);
        Spaces.Remove(space);
    }

    /// <summary>
    /// Records that a group has ended. Its spaces are closed already, and the sessions that they saved are doomed.
    /// </summary>
    public void LetGo(SchedulingGroup group)
    {
        Sessions.LoseGroup(group);
        Groups.Remove(group);
    }

    /// <summary>Begins to mirror a ledger that nobody wrote before.</summary>
    public void Begin(RecordStore store)
    {
        Mirror.SetExchanges(
            RecordArea.Reserve(store, (byte)RecordKind.ClientExchange, 0, ExchangeRecord.Length),
            RecordArea.Reserve(store, (byte)RecordKind.OwnExchange, 0, ExchangeRecord.Length));
        _state.Enter(Mirror);
        Profile.Enter(Mirror);
        Answer.Enter(Mirror);
    }

    /// <summary>Goes on with the records of the last manager that are not about one space.</summary>
    public void GoOn(in StoredRecord state, in StoredRecord profile)
    {
        _state.Adopt(Mirror, state);
        Profile.Adopt(Mirror, profile);
    }

    /// <inheritdoc cref="StateRecord.Restore"/>
    public void RestoreState(ref RecordReader reader) => _state.Restore(ref reader);
}
