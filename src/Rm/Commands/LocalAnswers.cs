using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Sessions;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Answers commands without the TPM where the TPM would give the same answer. Only for commands of the exact length,
/// without sessions, that the TPM does not audit.
/// </summary>
internal sealed class LocalAnswers(TpmProfile profile, TpmLedger ledger, CapabilityView capabilities)
{
    private const int OneHandleCommand = TpmHeader.Length + sizeof(uint);

    public bool TryAnswer(
        SpaceRecord space, ReadOnlySpan<byte> bytes, in TpmCommand command, CommandPlan plan, Span<byte> response,
        out int length)
    {
        length = 0;
        if (command.Code == TpmCc.GetCapability)
        {
            return capabilities.TryAnswer(space, bytes, command, response, out length);
        }

        if (command.HasSessions || bytes.Length != OneHandleCommand || !profile.MayAnswerFor(command.Code))
        {
            return false;
        }

        return command.Code switch
        {
            TpmCc.ReadPublic when ledger.Sessions.Exclusive is null => TryReadPublic(plan, response, out length),
            TpmCc.FlushContext => TryFlush(space, bytes, plan, response, out length),
            TpmCc.ContextSave => TrySave(space, bytes, plan, response, out length),
            _ => false,
        };
    }

    /// <summary>
    /// Answers ReadPublic with the TPM's earlier response: a transient object's public area does not change while the
    /// object lives. Not beside an exclusive audit session, whose exclusivity the command would end in the TPM.
    /// </summary>
    private static bool TryReadPublic(CommandPlan plan, Span<byte> response, out int length)
    {
        byte[]? earlier = plan.Subject?.PublicAnswer;
        length = earlier?.Length ?? 0;
        earlier?.CopyTo(response);
        return earlier is not null;
    }

    /// <summary>Flushes an object that is not in the TPM by forgetting its context.</summary>
    private bool TryFlush(
        SpaceRecord space, ReadOnlySpan<byte> bytes, CommandPlan plan, Span<byte> response, out int length)
    {
        length = 0;
        if (plan.Subject is not { Resident: null } flushed)
        {
            return false;
        }

        space.Remove(TpmHandle.Read(bytes[TpmHeader.Length..]));
        ledger.Objects.End(flushed);
        length = TpmResponse.Write(response, TpmRc.Success);
        return true;
    }

    /// <summary>
    /// Answers ContextSave with the manager's own context of the present state, which is as good as a new one. The TPM
    /// itself refuses a session that is named with the wrong type.
    /// </summary>
    private bool TrySave(
        SpaceRecord space, ReadOnlySpan<byte> bytes, CommandPlan plan, Span<byte> response, out int length)
    {
        length = 0;
        byte[]? context = plan.Subject?.Context ?? plan.SubjectSession?.Context;
        bool isOtherType =
            plan.SubjectSession is { } session && session.Handle != TpmHandle.Read(bytes[TpmHeader.Length..]);
        if (context is null || isOtherType)
        {
            return false;
        }

        var writer = new TpmWriter(response);
        writer.BeginMessage(TpmSt.NoSessions, TpmRc.Success.Value);
        writer.WriteBytes(context);
        length = writer.FinishMessage().Length;
        if (plan.SubjectSession is { } saved)
        {
            SavedSessions.GiveToClient(ledger.Sessions, saved, space);
        }

        return true;
    }
}
