using TpmFs.Tpm;

namespace TpmFs.Rm.Channel;

/// <summary>Says how a step on the way to a command ended.</summary>
internal enum TpmStepResult
{
    Done,

    /// <summary>The TPM has no room, and the manager has nothing to take out of it.</summary>
    NoRoom,

    /// <summary>The TPM put the step off (TPM_RC_RETRY, YIELDED, TESTING).</summary>
    PutOff,

    /// <summary>The oldest saved session is too old: the TPM saves no session before that one is saved again.</summary>
    Gap,

    /// <summary>
    /// The TPM refuses a command that should have worked: it was restarted, or another program used it.
    /// </summary>
    Inconsistent,

    /// <summary>The way to the TPM is lost.</summary>
    Lost,
}

internal static class TpmStepResults
{
    /// <summary>
    /// Returns true when the TPM wants the same command again later. TPM_RC_CANCELED counts too: a cancellation that
    /// came too late for its own command has hit this one.
    /// </summary>
    public static bool IsPutOff(this TpmRc code) =>
        code == TpmRc.Retry || code == TpmRc.Yielded || code == TpmRc.Testing || code == TpmRc.Canceled;

    /// <summary>Returns true when the TPM has no room for another transient object.</summary>
    public static bool IsObjectRoom(this TpmRc code) =>
        code == TpmRc.ObjectMemory || code == TpmRc.ObjectHandles || code == TpmRc.Memory;

    /// <summary>Returns what the result of one of the manager's own commands means for the step that sent it.</summary>
    public static TpmStepResult AsStep(this OwnResult result) => result switch
    {
        { Answered: false } => TpmStepResult.Lost,
        { Succeeded: true } => TpmStepResult.Done,
        _ when result.Code.IsPutOff() => TpmStepResult.PutOff,
        _ when result.Code.IsObjectRoom() || result.Code == TpmRc.SessionMemory => TpmStepResult.NoRoom,
        _ when result.Code == TpmRc.ContextGap => TpmStepResult.Gap,
        _ => TpmStepResult.Inconsistent,
    };

    /// <summary>
    /// Returns true when a TPM that is started refuses one of the manager's own commands for good: what the command is
    /// about is not there, or of no use.
    /// </summary>
    public static bool IsRefusal(this OwnResult result) =>
        result.AsStep() == TpmStepResult.Inconsistent && result.Code != TpmRc.Initialize;
}
