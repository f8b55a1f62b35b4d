using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>
/// Sends a raw opener's command as it is, to a TPM from which the manager has taken everything of its own. No handle is
/// mapped. A command that the TPM puts off is sent again, as Linux does for /dev/tpm0; meanwhile the TPM serves others.
/// What the command did to managed spaces is followed.
/// </summary>
internal sealed class RawPassage(
    TpmChannel channel,
    TpmProfile profile,
    SessionTable sessions,
    PowerState power,
    ResponseTracker tracker,
    RoomMaker room,
    RetryPolicy retries)
{
    public CommandOutcome Run(PendingCommand pending, byte[] command, byte[] response)
    {
        TpmStepResult step = room.ReleaseAll();
        if (step == TpmStepResult.Lost)
        {
            return retries.UntilTpmIsBack(pending);
        }

        if (pending.IsCanceled)
        {
            return CommandOutcome.Answered(response, TpmRc.Canceled);
        }

        if (step != TpmStepResult.Done)
        {
            TpmRc code = step switch
            {
                TpmStepResult.PutOff => TpmRc.Retry,
                TpmStepResult.Gap => TpmRc.ContextGap,
                TpmStepResult.NoRoom => TpmRc.Memory,
                _ => TpmRc.Failure,
            };
            return (step == TpmStepResult.PutOff ? retries.AfterPutOff(pending) : null)
                ?? CommandOutcome.Answered(response, code);
        }

        pending.Bytes.CopyTo(command);
        TransmitResult result = channel.Transmit(
            command.AsMemory(0, pending.Bytes.Length), pending.Space.Owner.Locality, response,
            TimeLimits.Of(pending.Code));
        if (retries.Unanswered(pending, result.Status, response) is { } unanswered)
        {
            return unanswered;
        }

        if (WhenPutOff(pending, response.AsSpan(0, result.Length)) is { } later)
        {
            return later;
        }

        Follow(pending.Bytes, response.AsSpan(0, result.Length));
        return CommandOutcome.Answered(result.Length);
    }

    /// <summary>
    /// Returns when to send the command again; null when its client is to have the TPM's answer. The TPM has not
    /// executed a command that it answers with TPM_RC_RETRY or TPM_RC_TESTING (Part 2, 6.6.3). SelfTest is answered
    /// with TPM_RC_TESTING by design.
    /// </summary>
    private static CommandOutcome? WhenPutOff(PendingCommand pending, ReadOnlySpan<byte> response)
    {
        bool isPutOff = TpmHeader.TryRead(response, out TpmHeader answer)
            && (answer.ResponseCode == TpmRc.Retry
                || (answer.ResponseCode == TpmRc.Testing && pending.Code != TpmCc.SelfTest));
        return isPutOff && !pending.IsCanceled ? RetryPolicy.AfterRawPutOff(pending) : null;
    }

    private void Follow(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> response)
    {
        sessions.Exclusive = null;
        if (!TpmHeader.TryRead(response, out TpmHeader answer)
            || !answer.ResponseCode.IsSuccess
            || !TpmHeader.TryRead(bytes, out TpmHeader header)
            || !profile.TryGetCommand(header.CommandCode, out TpmaCc attributes)
            || !TpmCommand.TryParseHandles(bytes, attributes, out TpmCommand command, out _)
            || !command.TryParseAuthorizations(bytes, out _))
        {
            return;
        }

        tracker.ApplyToEverybody(bytes, command);
        if (command.Code == TpmCc.Startup)
        {
            power.ClientStarted();
        }
    }
}
