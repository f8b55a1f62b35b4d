using TpmFs.Mirror;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Represents a part of the ledger that has a record of its own in the mirror. Each of its methods that changes
/// something calls <see cref="Changed"/>, and the next commit writes the record. Used by the manager's thread alone.
/// </summary>
internal abstract class LedgerRecord
{
    private RecordPlace _place;
    private bool _isMarked;

    /// <summary>The mirror that the record is written to; null before the part enters a ledger that has one.</summary>
    public virtual LedgerMirror? Mirror { get; private set; }

    /// <summary>Tells this record from others of its kind.</summary>
    public virtual ulong RecordId { get; private set; }

    /// <summary>True while the part belongs to a ledger.</summary>
    public virtual bool IsEntered { get; private set; }

    /// <summary>The kind of the record.</summary>
    protected abstract RecordKind Kind { get; }

    /// <summary>True while there is nothing to write, so that there is no record.</summary>
    protected virtual bool IsEmpty => false;

    /// <summary>Records that this part belongs to the ledger from now on.</summary>
    public void Enter(LedgerMirror mirror)
    {
        if (mirror.IsKept)
        {
            (Mirror, RecordId, IsEntered) = (mirror, mirror.NewId(), true);
            WholeChanged();
        }
    }

    /// <summary>Records that this part does not belong to the ledger any more.</summary>
    public void Leave()
    {
        IsEntered = false;
        WholeChanged();
    }

    /// <summary>Goes on with a record that the last manager wrote.</summary>
    public void Adopt(LedgerMirror mirror, in StoredRecord stored)
    {
        (Mirror, RecordId, IsEntered) = (mirror, stored.Id, true);
        AdoptPlace(stored);
    }

    /// <summary>Writes the record, or removes it.</summary>
    /// <param name="writer">Writes the record's bytes.</param>
    public void Save(RecordStore store, RecordWriter writer)
    {
        _isMarked = false;
        if (IsEntered && !IsEmpty)
        {
            store.Put(ref _place, (byte)Kind, RecordId, Encode(writer));
        }
        else
        {
            store.Remove(ref _place);
        }
    }

    /// <summary>Returns the record's bytes, as <see cref="LedgerReader"/> reads them.</summary>
    /// <param name="writer">An empty list, which the bytes may be put into.</param>
    public abstract ReadOnlySpan<byte> Encode(RecordWriter writer);

    /// <summary>Marks the record as changed, for the next commit.</summary>
    public void Changed()
    {
        if (!_isMarked && Mirror is { } mirror)
        {
            _isMarked = true;
            mirror.Add(this);
        }
    }

    /// <summary>Marks this record, and others that come and go with it.</summary>
    protected virtual void WholeChanged() => Changed();

    /// <summary>Records where the last manager has put the record.</summary>
    protected void AdoptPlace(in StoredRecord stored) => _place = stored.Place;
}
