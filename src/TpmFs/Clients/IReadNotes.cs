namespace TpmFs.Clients;

/// <summary>
/// Writes down the bytes that a read gets, for the next daemon. It is called before the conversation moves on, so that
/// the process that answers the read answers it with the same bytes.
/// </summary>
internal interface IReadNotes
{
    /// <summary>Writes it down. Called with the conversation's lock held; must not block or call back.</summary>
    void Note(in TakenPart part);
}

/// <summary>The part of an answer that a read gets.</summary>
/// <param name="Turn">
/// The number of the answer that the read waits for, or gets: one more than the command's number.
/// </param>
/// <param name="Source">The number of the answer's bytes.</param>
/// <param name="Start">The first byte that it gets.</param>
/// <param name="Count">
/// The number of bytes that the read gets, 0 while it waits; a negated errno where it gets an error.
/// </param>
internal readonly record struct TakenPart(ulong Turn, ulong Source, int Start, int Count);

/// <summary>Writes nothing down.</summary>
internal readonly struct NoNotes : IReadNotes
{
    public void Note(in TakenPart part)
    {
    }
}

/// <summary>One of a door's requests.</summary>
/// <param name="Number">The door's own number for it, used once; 0 where the door has none.</param>
/// <param name="IsRepeated">True when an earlier daemon had it, and may have carried it out.</param>
internal readonly record struct DoorRequest(ulong Number, bool IsRepeated);

/// <summary>A conversation that an earlier daemon had.</summary>
/// <param name="Record">Its state.</param>
/// <param name="Saved">Its client and its node, as they were written down.</param>
internal sealed record EarlierConversation(ConversationRecord Record, SavedConversation Saved);
