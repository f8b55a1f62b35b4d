using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Sessions;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Answers that need no TPM, because the TPM would give the same. Only for commands of the exact length without
/// sessions, and only for commands that the TPM does not audit.
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
    /// A transient object's public area does not change while it lives: the TPM's earlier response stands. Not beside
    /// an exclusive audit session, which the command would end in the TPM.
    /// </summary>
    private static bool TryReadPublic(CommandPlan plan, Span<byte> response, out int length)
    {
        byte[]? earlier = plan.Subject?.PublicAnswer;
        length = earlier?.Length ?? 0;
        earlier?.CopyTo(response);
        return earlier is not null;
    }

    /// <summary>An object that is not in the TPM is flushed by forgetting its context.</summary>
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
    /// A context of the present state, which the manager took itself, is as good as a new one. A session that is named
    /// with the other type is for the TPM to refuse.
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
