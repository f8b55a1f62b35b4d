using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Scheduling;
using TpmFs.Tpm;

namespace TpmFs.Rm.Commands;

/// <summary>Decides how long a command waits, for what, and when it has waited long enough.</summary>
internal sealed class RetryPolicy(
    TpmChannel channel,
    TimeProvider time,
    SlotCount objectSlots,
    CommandBuffers buffers,
    Func<SpaceOwner, bool> mustQueueForSession)
{
    /// <summary>The pause before a command that waits for a slot or session tries again.</summary>
    private static readonly TimeSpan s_tryAgain = TimeSpan.FromMilliseconds(100);

    /// <summary>Returns true when the command is new, and other users who wait for a session come first.</summary>
    public bool MustQueueForSession(PendingCommand pending) =>
        pending.WaitingSince is null && mustQueueForSession(pending.Space.Owner);

    public TimeSpan Waited(PendingCommand pending) =>
        pending.WaitingSince is { } since ? time.GetElapsedTime(since) : TimeSpan.Zero;

    /// <summary>Returns a wait for a session; null when the command has waited long enough.</summary>
    public CommandOutcome? UntilSession(PendingCommand pending)
    {
        TimeSpan waited = StartWaiting(pending);
        TimeSpan untilGrace = TimeLimits.SessionGrace - waited;
        return waited < TimeLimits.WaitForRoom
            ? CommandOutcome.WhenSessionIsReleased(untilGrace > TimeSpan.Zero ? untilGrace : s_tryAgain)
            : null;
    }

    /// <summary>
    /// Returns a wait for a slot that another user of the TPM holds; null when the command has waited long enough, or
    /// the TPM has never had as many slots as it needs.
    /// </summary>
    public CommandOutcome? UntilSlot(PendingCommand pending, CommandPlan plan)
    {
        TimeSpan waited = StartWaiting(pending);
        bool canEverFit = plan.Objects.Count + plan.NewObjects <= objectSlots.First;
        return canEverFit && waited < TimeLimits.WaitForRoom ? CommandOutcome.Later(s_tryAgain) : null;
    }

    /// <summary>
    /// Returns a wait before a command that the TPM put off is sent again; null when its time limit would be over. The
    /// limit runs from the command's first turn, so that the time before it, in which others had the TPM, does not
    /// count.
    /// </summary>
    public CommandOutcome? AfterPutOff(PendingCommand pending)
    {
        TimeSpan pause = TimeLimits.Backoff(pending.PutOffs++);
        TimeSpan since = time.GetElapsedTime(pending.Begun ?? pending.Submitted);
        return since + pause < TimeLimits.Of(pending.Code) ? CommandOutcome.Later(pause) : null;
    }

    /// <summary>
    /// Returns the pause before a raw command that the TPM put off is sent again; null after as many attempts as Linux
    /// makes for /dev/tpm0 (tpm_transmit in drivers/char/tpm/tpm-interface.c).
    /// </summary>
    public static CommandOutcome? AfterRawPutOff(PendingCommand pending) =>
        pending.RawPutOffs < TimeLimits.RawAttempts - 1
        ? CommandOutcome.Later(TimeLimits.Backoff(pending.RawPutOffs++))
        : null;

    /// <summary>
    /// Returns a wait for a TPM that is lost. The TPM may come back and be lost again any number of times; the command
    /// fails when its time limit is over, which runs from the command's first turn.
    /// </summary>
    public CommandOutcome UntilTpmIsBack(PendingCommand pending) =>
        time.GetElapsedTime(pending.Begun ?? pending.Submitted) < TimeLimits.Of(pending.Code)
            ? CommandOutcome.WhenTpmIsBack
            : CommandOutcome.Failed(channel.Loss);

    /// <summary>Returns what becomes of a command that the TPM did not answer; null when it answered.</summary>
    public CommandOutcome? Unanswered(PendingCommand pending, TransmitStatus status) =>
        status switch
        {
            TransmitStatus.Ok => null,
            TransmitStatus.NotSent => UntilTpmIsBack(pending),
            TransmitStatus.LocalityRefused => buffers.AnswerAsManager(TpmRc.Locality),
            TransmitStatus.CommandRefused => buffers.AnswerAsTpm(TpmRc.CommandSize),
            _ => CommandOutcome.Failed(channel.Loss),
        };

    private TimeSpan StartWaiting(PendingCommand pending)
    {
        pending.WaitingSince ??= time.GetTimestamp();
        return time.GetElapsedTime(pending.WaitingSince.Value);
    }
}
