using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>How long a command waits, for what, and when it has waited long enough.</summary>
internal sealed class Patience(
    TpmChannel channel,
    TimeProvider time,
    ObjectResidency objects,
    Func<SpaceOwner, bool> mustQueueForSession)
{
    /// <summary>How soon a command that waits for somebody else's slot or session tries again.</summary>
    private static readonly TimeSpan s_tryAgain = TimeSpan.FromMilliseconds(100);

    /// <summary>Returns true when the command is new, and others who wait for a session come first.</summary>
    public bool MustQueueForSession(PendingCommand pending) =>
        pending.WaitingSince is null && mustQueueForSession(pending.Space.Owner);

    public TimeSpan Waited(PendingCommand pending) =>
        pending.WaitingSince is { } since ? time.GetElapsedTime(since) : TimeSpan.Zero;

    /// <summary>Waits for a session to be given back; null when it has waited long enough.</summary>
    public Verdict? UntilSession(PendingCommand pending)
    {
        TimeSpan waited = StartWaiting(pending);
        TimeSpan untilGrace = TimeLimits.SessionGrace - waited;
        return waited < TimeLimits.WaitForRoom
            ? Verdict.WhenSessionIsReleased(untilGrace > TimeSpan.Zero ? untilGrace : s_tryAgain)
            : null;
    }

    /// <summary>
    /// Waits for a slot that somebody beside the manager holds; null when it has waited long enough, or when the TPM
    /// has never had as many slots as the command needs.
    /// </summary>
    public Verdict? UntilSlot(PendingCommand pending, CommandPlan plan)
    {
        TimeSpan waited = StartWaiting(pending);
        bool canEverFit = plan.Objects.Count + plan.NewObjects <= objects.FirstGuess;
        return canEverFit && waited < TimeLimits.WaitForRoom ? Verdict.Later(s_tryAgain) : null;
    }

    /// <summary>
    /// Waits before a command that the TPM put off is sent again; null when its time limit would be over. The limit
    /// runs from its first turn: the time in which others had the TPM is not its own.
    /// </summary>
    public Verdict? AfterPutOff(PendingCommand pending)
    {
        TimeSpan pause = TimeLimits.Backoff(pending.PutOffs++);
        TimeSpan since = time.GetElapsedTime(pending.Begun ?? pending.Submitted);
        return since + pause < TimeLimits.Of(pending.Code) ? Verdict.Later(pause) : null;
    }

    /// <summary>
    /// Returns the pause before a raw command that the TPM put off is sent again; null after as many attempts as Linux
    /// makes for /dev/tpm0 (tpm_transmit in drivers/char/tpm/tpm-interface.c).
    /// </summary>
    public static Verdict? AfterRawPutOff(PendingCommand pending) => pending.RawPutOffs < TimeLimits.RawAttempts - 1
        ? Verdict.Later(TimeLimits.Backoff(pending.RawPutOffs++))
        : null;

    /// <summary>
    /// Waits for a TPM that is lost. It may come back and be lost again, any number of times, but the command fails
    /// when its time limit is over, which runs from its first turn.
    /// </summary>
    public Verdict UntilTpmIsBack(PendingCommand pending) =>
        time.GetElapsedTime(pending.Begun ?? pending.Submitted) < TimeLimits.Of(pending.Code)
            ? Verdict.WhenTpmIsBack
            : Verdict.Failed(channel.Loss);

    /// <summary>What becomes of a command that the TPM did not answer; null where it did.</summary>
    public Verdict? Unanswered(PendingCommand pending, TransmitStatus status, Span<byte> response) => status switch
    {
        TransmitStatus.Ok => null,
        TransmitStatus.NotSent => UntilTpmIsBack(pending),
        TransmitStatus.LocalityRefused => Verdict.Answered(response, TpmRc.Locality),
        TransmitStatus.CommandRefused => Verdict.Answered(response, TpmRc.CommandSize),
        _ => Verdict.Failed(channel.Loss),
    };

    private TimeSpan StartWaiting(PendingCommand pending)
    {
        pending.WaitingSince ??= time.GetTimestamp();
        return time.GetElapsedTime(pending.WaitingSince.Value);
    }
}
