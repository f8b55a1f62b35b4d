namespace TpmFs.Clients;

/// <summary>The way by which a client reaches its conversation: it turns what the client asks into calls.</summary>
internal interface IConversationDoor
{
    /// <summary>Gets how many reads of the client wait for the answer of the command under way.</summary>
    int WaitingReads { get; }

    /// <summary>
    /// Learns that the conversation has changed other than by what the door itself called: an answer is there, an
    /// answer was dropped, or the conversation has ended. Called on any thread, without the conversation's lock, and
    /// perhaps once too often. Must not block.
    /// </summary>
    void Changed();
}

/// <summary>Counts the conversations of a domain. Any thread.</summary>
internal interface IConversationKeeper
{
    /// <summary>Learns, once, that a conversation was revoked. Its client may still be there.</summary>
    void Ended(Conversation conversation);

    /// <summary>Learns, once, that a conversation's client is gone.</summary>
    void Left(Conversation conversation);
}
