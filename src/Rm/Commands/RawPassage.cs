using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Scheduling;
using TpmFs.Rm.Upkeep;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Sends a raw opener's command as it is, after the manager has taken everything of its own out of the TPM. Maps no
/// handle. Sends a command that the TPM puts off again, as Linux does for /dev/tpm0; meanwhile the TPM serves other
/// openers. Records what the command did to managed spaces.
/// </summary>
internal sealed class RawPassage(
    TpmEndpoint tpm,
    TpmLedger ledger,
    CommandBuffers buffers,
    ResponseTracker tracker,
    RoomMaker room,
    RetryPolicy retries)
{
    public CommandOutcome Run(PendingCommand pending)
    {
        TpmStepResult step = room.ReleaseAll();
        if (step == TpmStepResult.Lost)
        {
            return retries.UntilTpmIsBack(pending);
        }

        if (pending.IsCanceled)
        {
            return buffers.AnswerAsTpm(TpmRc.Canceled);
        }

        if (step == TpmStepResult.PutOff)
        {
            return retries.AfterPutOff(pending) ?? buffers.AnswerAsTpm(TpmRc.Retry);
        }

        if (step != TpmStepResult.Done)
        {
            return buffers.AnswerAsManager(step switch
            {
                TpmStepResult.Gap => TpmRc.ContextGap,
                TpmStepResult.NoRoom => TpmRc.Memory,
                _ => TpmRc.Failure,
            });
        }

        pending.Bytes.CopyTo(buffers.Command);
        TransmitResult result = tpm.Channel.Transmit(
            pending.AsSent, buffers.Command.AsMemory(0, pending.Bytes.Length), buffers.Response);
        return retries.Unanswered(pending, result.Status) ?? Record(pending, result.Length);
    }

    /// <summary>Records what a command did whose response is in the buffer.</summary>
    /// <param name="length">The response's length.</param>
    public CommandOutcome Record(PendingCommand pending, int length)
    {
        ReadOnlySpan<byte> response = buffers.Response.AsSpan(0, length);
        if (WhenPutOff(pending, response) is { } later)
        {
            return later;
        }

        ledger.Mirror.IsRecording = true;
        try
        {
            Follow(pending.Bytes, response);
        }
        finally
        {
            ledger.Mirror.IsRecording = false;
        }

        return buffers.Answer(length);
    }

    /// <summary>
    /// Returns when to send the command again; null when the client gets the TPM's answer. The TPM has not executed a
    /// command that it answers with TPM_RC_RETRY or TPM_RC_TESTING (Part 2, 6.6.3). SelfTest is answered with
    /// TPM_RC_TESTING by design.
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
        ledger.Sessions.SetExclusive(null);
        if (!TpmHeader.TryRead(response, out TpmHeader answer)
            || !answer.ResponseCode.IsSuccess
            || !TpmHeader.TryRead(bytes, out TpmHeader header)
            || !tpm.Profile.TryGetCommand(header.CommandCode, out TpmaCc attributes)
            || !TpmCommand.TryParseHandles(bytes, attributes, out TpmCommand command, out _)
            || !command.TryParseAuthorizations(bytes, out _))
        {
            return;
        }

        tracker.ApplyToEverybody(bytes, command);
    }
}
