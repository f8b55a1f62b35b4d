using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>What becomes of a command after the runner has had it.</summary>
internal enum CommandOutcomeKind
{
    /// <summary>The response is in the runner's buffer.</summary>
    Answered,

    /// <summary>To be tried again after a time.</summary>
    Later,

    /// <summary>To be tried again when a session is given back, or after a time.</summary>
    WhenSessionIsReleased,

    /// <summary>To be tried again when the TPM is back; nothing of it was sent.</summary>
    WhenTpmIsBack,

    /// <summary>There will be no response.</summary>
    Failed,
}

/// <summary>What becomes of a command, and the one figure that goes with it.</summary>
internal readonly record struct CommandOutcome(
    CommandOutcomeKind Kind, int Length = 0, TimeSpan Delay = default, SpaceFailure Failure = default)
{
    /// <summary>Nothing more is to be done for the command.</summary>
    public bool IsOver => Kind is CommandOutcomeKind.Answered or CommandOutcomeKind.Failed;

    public static CommandOutcome Answered(int length) => new(CommandOutcomeKind.Answered, Length: length);

    /// <summary>Answers with a code of the manager's own, which it writes.</summary>
    public static CommandOutcome Answered(Span<byte> response, TpmRc code) =>
        Answered(TpmResponse.Write(response, code.FromResourceManager));

    public static CommandOutcome Later(TimeSpan delay) => new(CommandOutcomeKind.Later, Delay: delay);

    public static CommandOutcome WhenSessionIsReleased(TimeSpan delay) =>
        new(CommandOutcomeKind.WhenSessionIsReleased, Delay: delay);

    public static CommandOutcome WhenTpmIsBack => new(CommandOutcomeKind.WhenTpmIsBack);

    public static CommandOutcome Failed(SpaceFailure failure) => new(CommandOutcomeKind.Failed, Failure: failure);
}
