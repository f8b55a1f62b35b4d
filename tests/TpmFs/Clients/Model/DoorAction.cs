using TpmFs.Clients;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>One step of a run: something that a client, the TPM, the administrator or the clock does.</summary>
/// <param name="Client">The number of the client, modulo the number of clients.</param>
/// <param name="What">The variant of the action; its meaning depends on the kind.</param>
internal readonly record struct DoorAction(DoorActionKind Kind, int Client, int What);

/// <summary>The kinds of steps.</summary>
internal enum DoorActionKind
{
    /// <summary>A user opens, and is a client from then on when admitted.</summary>
    Open,

    /// <summary>A client writes what is a whole command, or is not.</summary>
    Write,

    /// <summary>A client reads, and waits where the answer is not there yet, or does not.</summary>
    Read,

    /// <summary>A signal ends a read that waits.</summary>
    Interrupt,

    /// <summary>A client asks what is ready, and to be told when that changes.</summary>
    Poll,

    /// <summary>The TPM answers one client, or fails to.</summary>
    Answer,

    /// <summary>The TPM does all that is to do.</summary>
    AnswerAll,

    /// <summary>The administrator cancels a client's command.</summary>
    Cancel,

    /// <summary>The administrator revokes a client's conversation.</summary>
    Revoke,

    /// <summary>A client goes away.</summary>
    Close,

    /// <summary>The administrator changes how many openers the domain may have.</summary>
    Limit,

    /// <summary>Time passes.</summary>
    Advance,

    /// <summary>The domain is taken away.</summary>
    End,
}
