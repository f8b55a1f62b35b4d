using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Upkeep;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>Brings the TPM into the state that a command needs. Used by the manager's thread alone.</summary>
internal sealed class Preparation(TpmSlots slots, RoomMaker room)
{
    /// <summary>Makes room for the command, and loads what it names.</summary>
    public TpmStepResult Prepare(CommandPlan plan, in TpmCommand command, ReadOnlySpan<byte> bytes)
    {
        TpmStepResult step = command.Code == TpmCc.Shutdown ? room.ReleaseAll() : TpmStepResult.Done;
        if (step == TpmStepResult.Done && command.Attributes.Extensive)
        {
            step = slots.Objects.LearnHierarchies();
        }

        plan.NewObjects += room.AppetiteOf(command, bytes);
        plan.Lacking = TpmRc.SessionMemory;
        step = step == TpmStepResult.Done ? slots.Sessions.Prepare(plan) : step;
        if (step != TpmStepResult.Done)
        {
            return step;
        }

        plan.Lacking = TpmRc.ObjectMemory;
        return slots.Objects.Prepare(plan);
    }
}
