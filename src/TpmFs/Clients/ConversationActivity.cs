using TpmFs.Tpm;

namespace TpmFs.Clients;

/// <summary>The state of a conversation at one moment.</summary>
/// <param name="Since">The time since it came into this state.</param>
/// <param name="Command">
/// The command under way, or the one whose answer is unread; null where the conversation is idle or has ended.
/// </param>
/// <param name="WaitingReads">Reads that wait for the answer of the command under way.</param>
/// <param name="UnreadBytes">The unread bytes of a response.</param>
internal readonly record struct ConversationActivity(
    ConversationState State, TimeSpan Since, TpmCc? Command, int WaitingReads, int UnreadBytes)
{
    /// <summary>Gets the state as control files show it.</summary>
    public string StateName => State switch
    {
        ConversationState.Running => "running",
        ConversationState.Unread => "unread",
        _ => "idle",
    };
}

/// <summary>The states of a conversation.</summary>
internal enum ConversationState
{
    /// <summary>It has no command under way, and no answer.</summary>
    Idle,

    /// <summary>A command is under way: it waits for the TPM, or the TPM carries it out.</summary>
    Running,

    /// <summary>An answer is there, and not all of it was read.</summary>
    Unread,

    /// <summary>It was revoked, or its client is gone. This is the last state.</summary>
    Ended,
}
