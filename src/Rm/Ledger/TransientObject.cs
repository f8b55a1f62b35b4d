using TpmFs.Mirror;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Represents a transient object of one space. It is in the TPM, in a saved context, or in both. An object that is in
/// neither is lost.
/// </summary>
internal sealed class TransientObject : LedgerRecord
{
    private readonly ContextRecord _context;

    /// <summary>Makes an object that the TPM has just made, or loaded.</summary>
    /// <param name="isSequence">True for a hash, HMAC or event sequence.</param>
    public TransientObject(bool isSequence = false)
    {
        IsSequence = isSequence;
        _context = new ContextRecord(this, RecordKind.ObjectContext);
    }

    /// <summary>The space that holds the object, once one does.</summary>
    public SpaceId Space { get; private set; }

    /// <summary>The handle by which that space knows the object.</summary>
    public VirtualHandle Name { get; private set; }

    /// <summary>The TPM's handle while the object is in the TPM.</summary>
    public TpmHandle? Resident { get; private set; }

    /// <summary>Gets the time when the object was last put into the TPM, by the manager's time provider.</summary>
    public long Entered { get; private set; }

    /// <summary>A context of the object as it is now; null when there is none.</summary>
    public byte[]? Context => _context.Bytes;

    /// <summary>True when the TPM has forgotten the object, or refuses its context.</summary>
    public bool IsLost => Resident is null && Context is null;

    /// <summary>
    /// The hierarchy: TPM_RH_OWNER, _ENDORSEMENT, _PLATFORM or _NULL; null until the first context tells.
    /// </summary>
    public uint? Hierarchy { get; private set; }

    /// <summary>
    /// True for a hash, HMAC or event sequence. Its state changes with each use, and ReadPublic refuses it.
    /// </summary>
    public bool IsSequence { get; private set; }

    /// <summary>True when the object does not survive TPM Restart (its context's savedHandle said so).</summary>
    public bool IsStClear { get; private set; }

    /// <summary>
    /// The TPM's whole response to a ReadPublic without a session; null before the first one. The mirror does not
    /// have it, since the TPM can be asked again.
    /// </summary>
    public byte[]? PublicAnswer { get; set; }

    /// <summary>
    /// Gets the moment of the object's last use, counted in uses of any object; 0 before the first use.
    /// </summary>
    public long LastUse { get; private set; }

    /// <summary>The uses of any object between this object's last two uses; 0 before its second use.</summary>
    public long Interval { get; private set; }

    protected override RecordKind Kind => RecordKind.Object;

    /// <summary>Reads an object of the last manager.</summary>
    public static TransientObject Read(ref RecordReader reader) => new()
    {
        Space = new SpaceId(reader.Int64()),
        Name = new VirtualHandle(reader.UInt32()),
        Resident = reader.MaybeUInt32() is { } handle ? new TpmHandle(handle) : null,
        Entered = reader.Time(),
        Hierarchy = reader.MaybeUInt32(),
        IsSequence = reader.Bool(),
        IsStClear = reader.Bool(),
        LastUse = reader.Int64(),
        Interval = reader.Int64(),
    };

    /// <summary>Goes on with the context that the last manager had of the object.</summary>
    public void RestoreContext(in StoredRecord stored, ReadOnlySpan<byte> context)
    {
        _context.Restore(stored, context.ToArray());
    }

    /// <summary>Records that a space holds the object.</summary>
    /// <param name="name">The handle by which the space knows the object.</param>
    public void Enter(LedgerMirror mirror, SpaceId space, VirtualHandle name)
    {
        (Space, Name) = (space, name);
        Enter(mirror);
    }

    /// <summary>
    /// Records that the object is in the TPM. Making an object counts as a use; otherwise a new object would be the
    /// first to leave.
    /// </summary>
    /// <param name="handle">The TPM's handle.</param>
    /// <param name="now">The time provider's timestamp.</param>
    /// <param name="uses">Uses of any object so far.</param>
    public void EnterTpm(TpmHandle handle, long now, long uses)
    {
        Resident = handle;
        Entered = now;
        LastUse = LastUse == 0 ? uses : LastUse;
        Changed();
    }

    /// <summary>Records that the object is not in the TPM any more; it may come back from its context.</summary>
    public void LeaveTpm()
    {
        Resident = null;
        Changed();
    }

    /// <summary>
    /// Records that a command used the object. A sequence's context no longer has its present state then.
    /// </summary>
    /// <param name="uses">Uses of any object, this one included.</param>
    public void Use(long uses)
    {
        Interval = LastUse > 0 ? uses - LastUse : 0;
        LastUse = uses;
        Changed();
        if (IsSequence)
        {
            ForgetContext();
        }
    }

    /// <summary>Keeps a context of the object as it is now. Keeps nothing when the bytes are not a context.</summary>
    public void KeepContext(ReadOnlySpan<byte> context)
    {
        if (TpmContext.TryRead(context, out TpmContext head))
        {
            _context.Keep(context.ToArray());
            Hierarchy = head.Hierarchy;
            IsSequence = head.SavedHandle.Value == TpmContext.SavedSequence;
            IsStClear = head.SavedHandle.Value == TpmContext.SavedStClear;
            Changed();
        }
    }

    /// <summary>Drops the context, which the TPM would not load any more.</summary>
    public void ForgetContext() => _context.Forget();

    public override ReadOnlySpan<byte> Encode(RecordWriter writer)
    {
        writer.Int64(Space.Value);
        writer.UInt32(Name.Value);
        writer.Maybe(Resident?.Value);
        writer.Time(Entered);
        writer.Maybe(Hierarchy);
        writer.Bool(IsSequence);
        writer.Bool(IsStClear);
        writer.Int64(LastUse);
        writer.Int64(Interval);
        return writer.Written;
    }

    protected override void WholeChanged()
    {
        Changed();
        _context.Changed();
    }
}
