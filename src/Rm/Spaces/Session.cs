using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>A session of the TPM's: loaded, or saved by the manager, or saved by its client.</summary>
internal sealed class Session
{
    private byte[]? _buffer;

    public Session(TpmHandle handle, SpaceOwner owner, ManagedSpace? opener)
    {
        Handle = handle;
        Owner = owner;
        Opener = opener;
        Node = new LinkedListNode<Session>(this);
    }

    /// <summary>The TPM's handle with the session's real type; its index is the session's identity.</summary>
    public TpmHandle Handle { get; }

    public SpaceOwner Owner { get; }

    /// <summary>
    /// Who holds the session; for one that its client saved, who saved it. Null once that opener is gone.
    /// </summary>
    public ManagedSpace? Opener { get; set; }

    /// <summary>
    /// Its client saved it: no command may use it until it is loaded again, by whoever its owner allows.
    /// </summary>
    public bool SavedByClient => Token is not null;

    /// <summary>The context that the client holds for it; null unless its client saved it.</summary>
    public byte[]? Token { get; set; }

    /// <summary>The only context that the TPM would load; null while the session is loaded.</summary>
    public byte[]? Context { get; private set; }

    public bool IsLoaded => Context is null;

    /// <summary>The context counter's value when it was saved last.</summary>
    public ulong Sequence { get; set; }

    /// <summary>When a command used it last, by the manager's time provider.</summary>
    public long LastUse { get; set; }

    /// <summary>The session's place among the loaded, by use, or among the saved, by sequence.</summary>
    public LinkedListNode<Session> Node { get; }

    /// <summary>Saved by its client, whose opener is gone.</summary>
    public bool IsAbandoned => SavedByClient && Opener is null;

    /// <summary>
    /// The session was saved. Its contexts are all of one size, so that the last one's buffer serves, unless that is
    /// the token.
    /// </summary>
    public void Keep(ReadOnlySpan<byte> context)
    {
        if (_buffer is null || _buffer.Length != context.Length || ReferenceEquals(_buffer, Token))
        {
            _buffer = new byte[context.Length];
        }

        context.CopyTo(_buffer);
        Context = _buffer;
    }

    /// <summary>The session was loaded, for which a context is good once.</summary>
    public void ForgetContext() => Context = null;

    /// <summary>Whether this space may use the session in a command.</summary>
    public bool IsUsableBy(ManagedSpace space) => !SavedByClient && ReferenceEquals(Opener, space);

    /// <summary>Whether this space may load the session that its client saved.</summary>
    public bool IsLoadableBy(ManagedSpace space) => SavedByClient && Owner == space.Owner;
}
