using TpmFs.Mirror;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>Represents a session of the TPM: loaded, or saved by the manager, or saved by its client.</summary>
internal sealed class Session : LedgerRecord
{
    private readonly ContextRecord _context;
    private readonly ContextRecord _token;
    private byte[]? _buffer;

    /// <summary>Makes a session that the TPM has just started, or loaded, for a space.</summary>
    public Session(TpmHandle handle, SpaceOwner owner, SpaceId? opener)
    {
        Handle = handle;
        Owner = owner;
        Opener = opener;
        Node = new LinkedListNode<Session>(this);
        _context = new ContextRecord(this, RecordKind.SessionContext);
        _token = new ContextRecord(this, RecordKind.SessionToken);
    }

    /// <summary>The TPM's handle with the session's real type; its index is the session's identity.</summary>
    public TpmHandle Handle { get; }

    public SpaceOwner Owner { get; }

    /// <summary>
    /// The space that holds the session, or that saved it for its client; null once that space is closed, or once the
    /// session is doomed.
    /// </summary>
    public SpaceId? Opener { get; private set; }

    /// <summary>
    /// True when the session's client saved it. No command may use the session until a space of the same owner has
    /// loaded it again.
    /// </summary>
    public bool SavedByClient => Token is not null;

    /// <summary>The context of the session that its client holds; null unless the client saved it.</summary>
    public byte[]? Token => _token.Bytes;

    /// <summary>The only context that the TPM would load; null while the session is loaded.</summary>
    public byte[]? Context => _context.Bytes;

    public bool IsLoaded => Context is null;

    /// <summary>The context counter's value when the session was last saved.</summary>
    public ulong Sequence { get; private set; }

    /// <summary>Gets the time when a command last used the session, by the manager's time provider.</summary>
    public long LastUse { get; private set; }

    /// <summary>The session's place among the loaded, by use, or among the saved, by sequence.</summary>
    public LinkedListNode<Session> Node { get; }

    /// <summary>True when the session's client saved it and the client's space is closed.</summary>
    public bool IsAbandoned => SavedByClient && Opener is null;

    /// <summary>True when no space may name the session any more: it is to be flushed.</summary>
    public bool IsDoomed { get; private set; }

    protected override RecordKind Kind => RecordKind.Session;

    /// <summary>Reads a session of the last manager.</summary>
    /// <param name="owner">Finds the owner that the record names.</param>
    public static Session Read(ref RecordReader reader, OwnerReader owner)
    {
        var handle = new TpmHandle(reader.UInt32());
        SpaceOwner found = owner(ref reader);
        SpaceId? opener = reader.MaybeInt64() is { } id ? new SpaceId(id) : null;
        return new Session(handle, found, opener)
        {
            Sequence = reader.UInt64(),
            LastUse = reader.Time(),
            IsDoomed = reader.Bool(),
        };
    }

    /// <summary>Goes on with the context that the last manager had of the session.</summary>
    public void RestoreContext(in StoredRecord stored, ReadOnlySpan<byte> context)
    {
        _buffer = context.ToArray();
        _context.Restore(stored, _buffer);
    }

    /// <summary>Goes on with the context that the session's client has.</summary>
    public void RestoreToken(in StoredRecord stored, ReadOnlySpan<byte> token)
    {
        _token.Restore(stored, token.ToArray());
    }

    /// <summary>
    /// Records that the session was saved. All contexts of a session have one size, so the new one goes into the last
    /// one's buffer, unless the client has that one.
    /// </summary>
    /// <param name="context">The context. The TPM takes no earlier one any more.</param>
    /// <param name="sequence">The context counter's value.</param>
    public void KeepContext(ReadOnlySpan<byte> context, ulong sequence)
    {
        if (_buffer is null || _buffer.Length != context.Length || SavedByClient)
        {
            _buffer = new byte[context.Length];
        }

        context.CopyTo(_buffer);
        _context.Keep(_buffer);
        Sequence = sequence;
        Changed();
    }

    /// <summary>Records that the session was loaded. Its context cannot be loaded again.</summary>
    public void ForgetContext() => _context.Forget();

    /// <summary>Records that the client has the present context.</summary>
    public void GiveToClient(long now)
    {
        _token.Keep(Context);
        LastUse = now;
        Changed();
    }

    /// <summary>Records which space holds the session from now on.</summary>
    public void MoveTo(SpaceId opener)
    {
        _token.Forget();
        Opener = opener;
        Changed();
    }

    /// <summary>Records that the space is closed.</summary>
    public void LoseOpener()
    {
        Opener = null;
        Changed();
    }

    /// <summary>
    /// Records that no space may name the session any more. The session forgets its space, which may be closed before
    /// the session is flushed.
    /// </summary>
    public void Doom()
    {
        IsDoomed = true;
        Opener = null;
        Changed();
    }

    /// <summary>Records that a command used the session.</summary>
    public void Use(long now)
    {
        LastUse = now;
        Changed();
    }

    /// <summary>Returns true when this space may use the session in a command.</summary>
    public bool IsUsableBy(SpaceRecord space) => !SavedByClient && Opener == space.Id;

    /// <summary>Returns true when this space may load the session that its client saved.</summary>
    public bool IsLoadableBy(SpaceRecord space) => SavedByClient && Owner == space.Owner;

    public override ReadOnlySpan<byte> Encode(RecordWriter writer)
    {
        writer.UInt32(Handle.Value);
        writer.Owner(Owner);
        writer.Maybe(Opener?.Value);
        writer.UInt64(Sequence);
        writer.Time(LastUse);
        writer.Bool(IsDoomed);
        return writer.Written;
    }

    protected override void WholeChanged()
    {
        Changed();
        _context.Changed();
        _token.Changed();
    }
}

/// <summary>Reads the owner of a space or a session.</summary>
internal delegate SpaceOwner OwnerReader(ref RecordReader reader);
