using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Scheduling;

/// <summary>Says what becomes of a command that had its turn.</summary>
internal enum CommandOutcomeKind
{
    /// <summary>There is a response.</summary>
    Answered,

    /// <summary>The command is to be tried again after a time.</summary>
    Later,

    /// <summary>The command is to be tried again when a session is given back, or after a time.</summary>
    WhenSessionIsReleased,

    /// <summary>The command is to be tried again when the TPM is back; nothing of it was sent.</summary>
    WhenTpmIsBack,

    /// <summary>There will be no response.</summary>
    Failed,
}

/// <summary>Says what becomes of a command that had its turn, with its response or failure.</summary>
internal readonly record struct CommandOutcome
{
    public CommandOutcomeKind Kind { get; private init; }

    /// <summary>The response, in a buffer that the next command uses again; empty when there is none.</summary>
    public ReadOnlyMemory<byte> Response { get; private init; }

    /// <summary>The longest that the command waits before it is tried again.</summary>
    public TimeSpan Delay { get; private init; }

    /// <summary>The reason why there will be no response.</summary>
    public SpaceFailure Failure { get; private init; }

    /// <summary>True when policy refused the command.</summary>
    public bool IsDenied { get; init; }

    /// <summary>True when nothing more is to be done for the command.</summary>
    public bool IsOver => Kind is CommandOutcomeKind.Answered or CommandOutcomeKind.Failed;

    /// <summary>True when the response's code is TPM_RC_SUCCESS.</summary>
    public bool HasSucceeded =>
        TpmHeader.TryRead(Response.Span, out TpmHeader header) && header.ResponseCode.IsSuccess;

    public static CommandOutcome Answered(ReadOnlyMemory<byte> response) =>
        new() { Kind = CommandOutcomeKind.Answered, Response = response };

    public static CommandOutcome Later(TimeSpan delay) => new() { Kind = CommandOutcomeKind.Later, Delay = delay };

    public static CommandOutcome WhenSessionIsReleased(TimeSpan delay) =>
        new() { Kind = CommandOutcomeKind.WhenSessionIsReleased, Delay = delay };

    public static CommandOutcome WhenTpmIsBack => new() { Kind = CommandOutcomeKind.WhenTpmIsBack };

    public static CommandOutcome Failed(SpaceFailure failure) =>
        new() { Kind = CommandOutcomeKind.Failed, Failure = failure };
}
