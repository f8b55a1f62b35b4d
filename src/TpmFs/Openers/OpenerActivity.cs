using TpmFs.Tpm;

namespace TpmFs.Openers;

/// <summary>What an opener is about at one moment.</summary>
/// <param name="Since">How long it has been in this state.</param>
/// <param name="Command">
/// The command under way, or the one whose response is unread; null where the opener is idle.
/// </param>
/// <param name="WaitingReads">Reads that wait for the response of the command under way.</param>
/// <param name="UnreadBytes">What is left of a response.</param>
internal readonly record struct OpenerActivity(
    OpenerState State, TimeSpan Since, TpmCc? Command, int WaitingReads, int UnreadBytes)
{
    /// <summary>The state as control files show it.</summary>
    public string StateName => State switch
    {
        OpenerState.Idle => "idle",
        OpenerState.Running => "running",
        _ => "unread",
    };
}

/// <summary>The states of an opener that is open.</summary>
internal enum OpenerState
{
    /// <summary>It has no command, and no response.</summary>
    Idle,

    /// <summary>A command is under way: it waits for the TPM, or the TPM carries it out.</summary>
    Running,

    /// <summary>A response is there, and not all of it was read.</summary>
    Unread,
}
