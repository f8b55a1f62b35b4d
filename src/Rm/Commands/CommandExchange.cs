using System.Buffers.Binary;
using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Scheduling;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Writes the TPM's own handles into a command, sends it, and records what it did. Used by the manager's thread alone.
/// </summary>
internal sealed class CommandExchange(
    TpmChannel channel, LedgerMirror mirror, CommandBuffers buffers, ResponseTracker tracker, Recovery recovery)
{
    /// <summary>Sends a command whose objects and sessions are all in the TPM.</summary>
    /// <returns>
    /// Returns true when a started TPM refuses one of the manager's own commands for good: the command's object is not
    /// there, or is of no use.
    /// </returns>
    public CommandOutcome? Run(PendingCommand pending, CommandPlan plan, in TpmCommand command)
    {
        int length = Translate(pending.Space.Record, pending.Bytes, plan, command);
        TransmitResult result =
            channel.Transmit(pending.AsSent, buffers.Command.AsMemory(0, length), buffers.Response);
        return recovery.WhenUnanswered(pending, result.Status) ?? Record(pending, plan, command, result.Length);
    }

    /// <summary>Records what a command did whose response is in the buffer.</summary>
    /// <param name="length">The response's length.</param>
    /// <returns>Null when the command is to be tried again at once.</returns>
    public CommandOutcome? Record(PendingCommand pending, CommandPlan plan, in TpmCommand command, int length)
    {
        Span<byte> response = buffers.Response.AsSpan(0, length);
        if (!TpmHeader.TryRead(response, out TpmHeader header))
        {
            return CommandOutcome.Failed(SpaceFailure.TransportLost);
        }

        if (!header.ResponseCode.IsSuccess)
        {
            tracker.TouchNamed(plan);
            return recovery.AfterRefusal(pending, plan, command, buffers.Answer(length), header.ResponseCode);
        }

        mirror.IsRecording = true;
        try
        {
            tracker.Apply(pending.Space.Record, pending.Bytes, command, plan, response);
        }
        finally
        {
            mirror.IsRecording = false;
        }

        return buffers.Answer(length);
    }

    /// <summary>Writes the command as the TPM is to see it.</summary>
    /// <returns>The command's length in bytes.</returns>
    private int Translate(SpaceRecord space, ReadOnlySpan<byte> bytes, CommandPlan plan, in TpmCommand command)
    {
        bytes.CopyTo(buffers.Command);
        for (int i = 0; i < command.HandleCount; i++)
        {
            TpmHandle named = TpmCommand.Handle(bytes, i);
            if (named.IsTransient && space.TryFind(named, out TransientObject found))
            {
                WriteHandle(TpmCommand.HandleOffset(i), found);
            }
        }

        if (command.Code == TpmCc.FlushContext && plan.Subject is { } flushed)
        {
            WriteHandle(command.ParametersOffset, flushed);
        }

        if (command.Code == TpmCc.ContextLoad && plan.SubjectSession?.Context is { } context)
        {
            var writer = new TpmWriter(buffers.Command);
            writer.BeginMessage(TpmSt.NoSessions, (uint)TpmCc.ContextLoad);
            writer.WriteBytes(context);
            return writer.FinishMessage().Length;
        }

        return bytes.Length;
    }

    private void WriteHandle(int offset, TransientObject named) =>
        BinaryPrimitives.WriteUInt32BigEndian(buffers.Command.AsSpan(offset), named.Resident!.Value.Value);
}
