namespace TpmFs.Records;

/// <summary>
/// The kinds of records that the doors keep for the next daemon. A number is not used again for another kind, unless
/// <see cref="DoorRecords.Format"/> grows. The numbers below 16 are those of a FUSE session.
/// </summary>
internal enum RecordKind : byte
{
    /// <summary>A counter: the number of conversations, open files or node numbers so far.</summary>
    Counter = 16,

    /// <summary>A conversation that has not been closed.</summary>
    Conversation = 17,

    /// <summary>The bytes of a command under way, or of an answer.</summary>
    Bytes = 18,

    /// <summary>An open file.</summary>
    Open = 19,

    /// <summary>A number that the kernel uses for a node.</summary>
    Number = 20,

    /// <summary>A directory that was made at run time.</summary>
    Made = 21,

    /// <summary>Changed access of a node.</summary>
    Access = 22,

    /// <summary>Changed limits of a domain.</summary>
    Limits = 23,

    /// <summary>The domains that the configuration gave last.</summary>
    Plans = 24,

    /// <summary>Marks that all changes of the state are in records.</summary>
    State = 25,

    /// <summary>A character device.</summary>
    Device = 26,
}

/// <summary>The format of the doors' records.</summary>
internal static class DoorRecords
{
    /// <summary>
    /// Grows when a daemon can no longer read the records of a daemon with the number before. A daemon does not read
    /// other formats: it revokes the openers. With each new number, the recorded memory of the format before, in
    /// tests/TpmFs/Takeover/Recorded, is kept, a conversion for it is written and tested, and the new format is
    /// recorded. The README there says how.
    /// </summary>
    public const uint Format = 1;

    /// <summary>Returns the records of a kind that an earlier daemon left.</summary>
    public static IEnumerable<StoredRecord> Of(this RecordStore? store, RecordKind kind) =>
        store?.Records.Where(record => record.Kind == (byte)kind) ?? [];

    /// <summary>
    /// Goes on with the records of a kind that an earlier daemon left, and removes those that it had not finished.
    /// </summary>
    /// <param name="read">Gets a record's bytes and its id. Returns null for one that was not finished.</param>
    public static List<T> Adopt<T>(this RecordStore store, RecordKind kind, Func<RecordArea, ulong, T?> read)
        where T : class
    {
        List<T> adopted = [];
        foreach (StoredRecord stored in store.Of(kind))
        {
            var area = RecordArea.Adopt(store, stored);
            if (read(area, stored.Id) is { } record)
            {
                adopted.Add(record);
            }
            else
            {
                area.Remove();
            }
        }

        return adopted;
    }
}
