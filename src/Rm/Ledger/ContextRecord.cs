using TpmFs.Mirror;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds a context of an object or session. It is a record beside its owner's, with the same id, since it is larger and
/// changes less often.
/// </summary>
internal sealed class ContextRecord(LedgerRecord owner, RecordKind kind) : LedgerRecord
{
    /// <summary>The context; null when there is none.</summary>
    public byte[]? Bytes { get; private set; }

    public override LedgerMirror? Mirror => owner.Mirror;

    public override ulong RecordId => owner.RecordId;

    public override bool IsEntered => owner.IsEntered;

    protected override RecordKind Kind => kind;

    protected override bool IsEmpty => Bytes is null;

    /// <summary>Records that this is the context now. The caller may have written to the bytes that are here.</summary>
    public void Keep(byte[]? bytes)
    {
        Bytes = bytes;
        Changed();
    }

    /// <summary>Records that there is no context any more.</summary>
    public void Forget()
    {
        if (Bytes is not null)
        {
            Keep(null);
        }
    }

    /// <summary>Goes on with the context that the last manager had.</summary>
    public void Restore(in StoredRecord stored, byte[] bytes)
    {
        Bytes = bytes;
        AdoptPlace(stored);
    }

    public override ReadOnlySpan<byte> Encode(RecordWriter writer) => Bytes;
}
