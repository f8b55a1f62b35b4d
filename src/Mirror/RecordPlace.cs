namespace TpmFs.Mirror;

/// <summary>
/// The place of a record in a <see cref="RecordStore"/>. The record's owner keeps it, and hands it in at each change.
/// The default is nowhere, for a record that was not written yet.
/// </summary>
public readonly record struct RecordPlace
{
    internal RecordPlace(int offset) => Offset = offset;

    /// <summary>True when there is no record.</summary>
    public bool IsNowhere => Offset == 0;

    /// <summary>The record's slot, in bytes from the memory's start; 0 for nowhere.</summary>
    internal int Offset { get; }
}

/// <summary>A record that the store of an earlier process has.</summary>
/// <param name="Kind">The number of the record's kind. The owner of the store's records gives the numbers.</param>
/// <param name="Id">The number that tells the record from others of its kind.</param>
/// <param name="Place">The record's place.</param>
public readonly record struct StoredRecord(byte Kind, ulong Id, RecordPlace Place);
