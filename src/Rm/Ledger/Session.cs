using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>Represents a session of the TPM: loaded, or saved by the manager, or saved by its client.</summary>
internal sealed class Session
{
    private byte[]? _buffer;

    /// <summary>Makes a session that the TPM has just started, or loaded, for a space.</summary>
    public Session(TpmHandle handle, SpaceOwner owner, SpaceId? opener)
    {
        Handle = handle;
        Owner = owner;
        Opener = opener;
        Node = new LinkedListNode<Session>(this);
    }

    /// <summary>Makes a session as a snapshot has it.</summary>
    public Session(TpmHandle handle, SpaceOwner owner, in SessionState state)
        : this(handle, owner, state.Opener)
    {
        Context = _buffer = state.Context;
        Token = state.Token;
        Sequence = state.Sequence;
        LastUse = state.LastUse;
    }

    /// <summary>The TPM's handle with the session's real type; its index is the session's identity.</summary>
    public TpmHandle Handle { get; }

    public SpaceOwner Owner { get; }

    /// <summary>
    /// The space that holds the session, or that saved it for its client; null once that space is closed.
    /// </summary>
    public SpaceId? Opener { get; private set; }

    /// <summary>
    /// True when the session's client saved it. No command may use the session until a space of the same owner has
    /// loaded it again.
    /// </summary>
    public bool SavedByClient => Token is not null;

    /// <summary>The context of the session that its client holds; null unless the client saved it.</summary>
    public byte[]? Token { get; private set; }

    /// <summary>The only context that the TPM would load; null while the session is loaded.</summary>
    public byte[]? Context { get; private set; }

    public bool IsLoaded => Context is null;

    /// <summary>The context counter's value when the session was last saved.</summary>
    public ulong Sequence { get; private set; }

    /// <summary>When a command last used the session, by the manager's time provider.</summary>
    public long LastUse { get; private set; }

    /// <summary>The session's place among the loaded, by use, or among the saved, by sequence.</summary>
    public LinkedListNode<Session> Node { get; }

    /// <summary>True when the session's client saved it and the client's space is closed.</summary>
    public bool IsAbandoned => SavedByClient && Opener is null;

    /// <summary>Everything that a snapshot keeps of the session, beside its handle and its owner.</summary>
    public SessionState State => new(Opener, Token, Context, Sequence, LastUse);

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
        Context = _buffer;
        Sequence = sequence;
    }

    /// <summary>Records that the session was loaded. Its context cannot be loaded again.</summary>
    public void ForgetContext() => Context = null;

    /// <summary>Records that the client has the present context.</summary>
    public void GiveToClient(long now)
    {
        Token = Context;
        LastUse = now;
    }

    /// <summary>Records which space holds the session from now on.</summary>
    public void MoveTo(SpaceId opener)
    {
        Token = null;
        Opener = opener;
    }

    /// <summary>Records that the space is closed.</summary>
    public void LoseOpener() => Opener = null;

    /// <summary>Records that a command used the session.</summary>
    public void Use(long now) => LastUse = now;

    /// <summary>Returns true when this space may use the session in a command.</summary>
    public bool IsUsableBy(SpaceRecord space) => !SavedByClient && Opener == space.Id;

    /// <summary>Returns true when this space may load the session that its client saved.</summary>
    public bool IsLoadableBy(SpaceRecord space) => SavedByClient && Owner == space.Owner;
}

/// <summary>What a snapshot keeps of a <see cref="Session"/>; its properties say what each means.</summary>
internal readonly record struct SessionState(
    SpaceId? Opener, byte[]? Token, byte[]? Context, ulong Sequence, long LastUse);
