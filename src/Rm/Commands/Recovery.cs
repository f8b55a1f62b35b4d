using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Scheduling;
using TpmFs.Rm.Upkeep;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Deals with a TPM that does not do what a command asks for: the TPM has no room, wants the command again later, or
/// was restarted. Used by the manager's thread alone.
/// </summary>
internal sealed class Recovery(
    TpmLedger ledger, TpmSlots slots, PowerState power, RoomMaker room, RetryPolicy retries, CommandBuffers buffers)
{
    /// <summary>
    /// Returns when a command that wants a session is tried again because other users come first; null when none do.
    /// </summary>
    public CommandOutcome? QueueForSession(PendingCommand pending) =>
        retries.MustQueueForSession(pending)
            ? retries.UntilSession(pending) ?? buffers.AnswerAsManager(TpmRc.SessionHandles) : null;

    /// <summary>Returns what follows when the TPM gave no response; null where it gave one.</summary>
    public CommandOutcome? WhenUnanswered(PendingCommand pending, TransmitStatus status) =>
        retries.Unanswered(pending, status);

    /// <summary>
    /// Returns what follows from a step before or after the exchange; null when the command is to be tried again at
    /// once.
    /// </summary>
    public CommandOutcome? AfterStep(TpmStepResult step, PendingCommand pending, CommandPlan plan)
    {
        switch (step)
        {
            case TpmStepResult.Done:
                return null;
            case TpmStepResult.Lost:
                return retries.UntilTpmIsBack(pending);
            case TpmStepResult.PutOff:
                return retries.AfterPutOff(pending) ?? buffers.AnswerAsTpm(TpmRc.Retry);
            case TpmStepResult.NoRoom:
                return retries.UntilSlot(pending, plan) ?? buffers.AnswerAsManager(plan.Lacking);
            case TpmStepResult.Gap:
                TpmStepResult closed = slots.Sessions.Regap(plan);
                return AfterStep(closed == TpmStepResult.Gap ? TpmStepResult.NoRoom : closed, pending, plan);
            default:
                TpmStepResult verified = power.Verify();
                return verified == TpmStepResult.Inconsistent
                    ? buffers.AnswerAsManager(TpmRc.Failure) : AfterStep(verified, pending, plan);
        }
    }

    /// <summary>
    /// Repairs the cause of a refusal where it can, so that the command can be tried again. Otherwise passes the TPM's
    /// answer on.
    /// </summary>
    /// <param name="answer">The TPM's answer.</param>
    /// <param name="code">The answer's code.</param>
    /// <returns>Null when the command is to be tried again at once.</returns>
    public CommandOutcome? AfterRefusal(
        PendingCommand pending, CommandPlan plan, in TpmCommand command, CommandOutcome answer, TpmRc code)
    {
        if (code == TpmRc.Initialize)
        {
            return command.Code == TpmCc.Startup ? answer : AfterStep(power.Verify(), pending, plan);
        }

        if (code.IsObjectRoom() || code == TpmRc.SessionMemory)
        {
            TpmStepResult made = room.Make(plan, command, pending.Bytes, code);
            return made == TpmStepResult.NoRoom
                ? retries.UntilSlot(pending, plan) ?? buffers.AnswerAsManager(code) : AfterStep(made, pending, plan);
        }

        if (code == TpmRc.SessionHandles)
        {
            TpmStepResult given = room.GiveSessionBack(pending.Space.Record, retries.Waited(pending));
            return given == TpmStepResult.NoRoom
                ? retries.UntilSession(pending) ?? buffers.AnswerAsManager(code) : AfterStep(given, pending, plan);
        }

        if (code == TpmRc.ContextGap)
        {
            TpmStepResult closed = slots.Sessions.Regap(plan);
            return closed == TpmStepResult.NoRoom ? answer : AfterStep(closed, pending, plan);
        }

        if (code.IsPutOff())
        {
            bool isWanted = (code == TpmRc.Testing && command.Code == TpmCc.SelfTest)
                || (code == TpmRc.Canceled && pending.IsCanceled);
            return isWanted ? answer : retries.AfterPutOff(pending) ?? answer;
        }

        return DropUnknown(pending, plan, command, code) ? AfterStep(power.Verify(), pending, plan) : answer;
    }

    /// <summary>
    /// Drops what the TPM says that it does not know, though the ledger has it: the TPM was restarted, or another of
    /// its users flushed it.
    /// </summary>
    /// <returns>False when the TPM's answer is not about anything of the manager's.</returns>
    private bool DropUnknown(PendingCommand pending, CommandPlan plan, in TpmCommand command, TpmRc code)
    {
        bool isLoad = command.Code == TpmCc.ContextLoad;
        if (isLoad || (command.Code == TpmCc.FlushContext && code == TpmRc.HandleError.ForParameter(0)))
        {
            return Drop(isLoad ? null : plan.Subject, plan.SubjectSession);
        }

        for (int i = 0; i < command.HandleCount; i++)
        {
            TpmHandle named = TpmCommand.Handle(pending.Bytes, i);
            if (code == TpmRc.ReferenceHandle(i))
            {
                pending.Space.Record.TryFind(named, out TransientObject unknown);
                ledger.Sessions.TryFind(named, out Session ended);
                return Drop(unknown, ended);
            }
        }

        for (int i = 0; i < plan.Authorizing.Count; i++)
        {
            if (code == TpmRc.ReferenceSession(i))
            {
                return Drop(null, plan.Authorizing[i]);
            }
        }

        return false;
    }

    private bool Drop(TransientObject? unknown, Session? ended)
    {
        if (unknown is not null)
        {
            ledger.Objects.Leave(unknown);
        }

        if (ended is not null)
        {
            ledger.Sessions.Doom(ended);
        }

        return unknown is not null || ended is not null;
    }
}
