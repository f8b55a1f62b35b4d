using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Sessions;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// Makes room in the TPM when the TPM says that it has none. Learns which commands need a slot of their own.
/// </summary>
internal sealed class RoomMaker(
    TpmLedger ledger, TpmSlots slots, SessionFairness fairness, PowerState power, IResourceManagerLog log)
{
    private readonly HashSet<(TpmCc Code, bool OnPersistent)> _needSlot = [];

    /// <summary>
    /// The object slots that a command needed beyond those of the objects that it names and makes (Create; any use of a
    /// persistent key).
    /// </summary>
    public int AppetiteOf(in TpmCommand command, ReadOnlySpan<byte> bytes) =>
        _needSlot.Count > 0 && _needSlot.Contains(KindOf(command, bytes)) ? 1 : 0;

    /// <summary>
    /// Takes an object or a session that the command does not name out of a TPM that had no room for the command.
    /// </summary>
    public TpmStepResult Make(CommandPlan plan, in TpmCommand command, ReadOnlySpan<byte> bytes, TpmRc code)
    {
        if (code == TpmRc.SessionMemory)
        {
            return slots.Sessions.MakeRoom(plan);
        }

        if (plan.NewObjects == 0)
        {
            _needSlot.Add(KindOf(command, bytes));
        }

        TpmStepResult step = slots.Objects.MakeRoom(plan);
        return step == TpmStepResult.NoRoom && code == TpmRc.Memory ? slots.Sessions.MakeRoom(plan) : step;
    }

    /// <summary>
    /// Gives one session back to a TPM that has none left: a session that no space can name, or else the session that
    /// gives way to the asker. The result is <see cref="TpmStepResult.NoRoom"/> when there is none, or none yet.
    /// </summary>
    /// <param name="waited">The time that the asker has waited for a session.</param>
    public TpmStepResult GiveSessionBack(SpaceRecord asker, TimeSpan waited)
    {
        if (ledger.Sessions.Doomed.Count == 0)
        {
            if (fairness.FindLeaving(asker, waited) is not { } leaving)
            {
                return TpmStepResult.NoRoom;
            }

            if (!leaving.IsAbandoned)
            {
                log.SessionTaken(leaving.Owner, leaving.Handle);
            }

            ledger.Sessions.Doom(leaving);
        }

        return slots.Sessions.FlushDoomed();
    }

    /// <summary>True when the TPM holds an object or a session that no space can name.</summary>
    public bool HasDoomed => HasDoomedObject || ledger.Sessions.Doomed.Count > 0;

    /// <summary>
    /// Flushes one object or session that no space can name, objects first. The result is
    /// <see cref="TpmStepResult.NoRoom"/> when there is none.
    /// </summary>
    public TpmStepResult FlushDoomed() => HasDoomedObject ? slots.Objects.FlushDoomed() : slots.Sessions.FlushDoomed();

    /// <summary>
    /// Gives one slot back, slots of objects first. The result is <see cref="TpmStepResult.NoRoom"/> when the manager
    /// has none.
    /// </summary>
    public TpmStepResult ReleaseOne() =>
        ledger.Objects.Count > 0 ? slots.Objects.ReleaseOne() : slots.Sessions.ReleaseOne();

    /// <summary>
    /// Takes everything out of the TPM, as before TPM2_Shutdown. Any result but <see cref="TpmStepResult.Done"/> says
    /// that something is left there, and why.
    /// </summary>
    public TpmStepResult ReleaseAll()
    {
        // An object or session that the TPM refuses to save is dropped, or saved at the next try. Each try but the last
        // leaves less to do.
        for (int tries = 2 * (ledger.Objects.Count + ledger.Sessions.Count + 1); tries > 0; tries--)
        {
            TpmStepResult step = ReleaseWhatLeaves();
            switch (step)
            {
                case TpmStepResult.Inconsistent:
                    step = power.Verify();
                    break;
                case TpmStepResult.Gap:
                    step = slots.Sessions.Regap(null) is var closed && closed == TpmStepResult.NoRoom
                        ? TpmStepResult.Gap : closed;
                    break;
                default:
                    return step;
            }

            if (step is not (TpmStepResult.Done or TpmStepResult.Inconsistent))
            {
                return step;
            }
        }

        return TpmStepResult.Inconsistent;
    }

    private bool HasDoomedObject => ledger.Objects.Doomed.Count > 0;

    private TpmStepResult ReleaseWhatLeaves()
    {
        TpmStepResult step = TpmStepResult.Done;
        while (step == TpmStepResult.Done)
        {
            step = slots.Objects.ReleaseOne();
        }

        while (step is TpmStepResult.Done or TpmStepResult.NoRoom)
        {
            step = slots.Sessions.ReleaseOne();
            if (step == TpmStepResult.NoRoom)
            {
                return ledger.Objects.Count == 0 && ledger.Sessions.LoadedCount == 0
                    ? TpmStepResult.Done : TpmStepResult.NoRoom;
            }
        }

        return step;
    }

    private static (TpmCc Code, bool OnPersistent) KindOf(in TpmCommand command, ReadOnlySpan<byte> bytes) =>
        (command.Code, command.HandleCount > 0 && TpmCommand.Handle(bytes, 0).Type == TpmHt.Persistent);
}
