using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>
/// Carries a raw opener's command out: as it is, to a TPM from which the manager has taken everything of its own. Nothing is tried
/// again and nothing is mapped; but what the command did to managed spaces is followed.
/// </summary>
internal sealed class RawPassage(
    TpmChannel channel, TpmProfile profile, SessionTable sessions, PowerState power, ResponseTracker tracker, RoomMaker room, Patience patience)
{
    public Verdict Run(PendingCommand pending, byte[] command, byte[] response)
    {
        Step step = room.ReleaseAll();
        if (step == Step.Lost)
        {
            return patience.UntilTpmIsBack(pending);
        }

        if (pending.IsCanceled)
        {
            return Verdict.Answered(response, TpmRc.Canceled);
        }

        if (step != Step.Done)
        {
            TpmRc code = step switch
            {
                Step.PutOff => TpmRc.Retry,
                Step.Gap => TpmRc.ContextGap,
                Step.NoRoom => TpmRc.Memory,
                _ => TpmRc.Failure,
            };
            return (step == Step.PutOff ? patience.AfterPutOff(pending) : null) ?? Verdict.Answered(response, code);
        }

        pending.Bytes.CopyTo(command);
        TransmitResult result = channel.Transmit(
            command.AsMemory(0, pending.Bytes.Length), pending.Space.Owner.Locality, response, TimeLimits.Of(pending.Code));
        if (patience.Unanswered(pending, result.Status, response) is { } unanswered)
        {
            return unanswered;
        }

        Follow(pending.Bytes, response.AsSpan(0, result.Length));
        return Verdict.Answered(result.Length);
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
