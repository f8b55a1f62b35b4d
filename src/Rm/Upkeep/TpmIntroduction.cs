using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Tpm;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// Starts a TPM that has just been reached for the first time, and reads its properties. Used by the manager's thread
/// alone.
/// </summary>
internal sealed class TpmIntroduction(
    TpmEndpoint tpm, TpmLedger ledger, PowerState power, Reconciliation reconciliation, ReserveFiller filler)
{
    /// <summary>
    /// Starts the TPM and reads its properties, once. Compares a ledger that the last manager wrote with the TPM.
    /// </summary>
    /// <param name="facts">The facts about the TPM, when the result is success.</param>
    public TpmStepResult Try(out TpmFacts facts)
    {
        facts = TpmFacts.None;
        TpmStepResult step = tpm.Profile.IsKnown ? GoOn() : Begin();
        if (step == TpmStepResult.Done)
        {
            facts = tpm.Channel.IsTpm12
                ? facts with { Family = TpmFamily.Tpm12, HighestLocality = tpm.Channel.HighestLocality }
                : new TpmFacts(
                    TpmFamily.Tpm20, tpm.Profile.MaxCommandSize, tpm.Channel.HighestLocality, tpm.Profile.Describe());
        }

        return step;
    }

    /// <summary>
    /// Goes on with the facts that another manager knew. Asks the TPM nothing if that would end an exclusive audit
    /// session; the next command then shows whether the TPM was restarted.
    /// </summary>
    private TpmStepResult GoOn()
    {
        TpmStepResult step = TpmStepResult.Done;
        if (ledger.Sessions.Exclusive is null)
        {
            step = power.Verify();
            step = step == TpmStepResult.Done ? reconciliation.DropMissing() : step;
            step = step == TpmStepResult.Done ? reconciliation.FlushUnknown() : step;
        }

        LearnLimits();
        return step;
    }

    private TpmStepResult Begin()
    {
        TpmStepResult step = power.Start();
        if (tpm.Channel is { IsUp: true, IsTpm12: true })
        {
            return TpmStepResult.Done;
        }

        step = step == TpmStepResult.Done ? reconciliation.FlushUnknown() : step;
        step = step == TpmStepResult.Done ? tpm.Profile.Read() : step;
        if (step != TpmStepResult.Done)
        {
            return step;
        }

        LearnLimits();
        filler.FillFirst();
        return tpm.Channel.IsUp ? TpmStepResult.Done : TpmStepResult.Lost;
    }

    /// <summary>Takes the number of slots from the TPM, while the manager holds none of them.</summary>
    private void LearnLimits()
    {
        if (ledger.Objects.Count == 0)
        {
            ledger.ObjectSlots.Learn(tpm.Profile.Property(TpmPt.HrTransientAvail, 3));
        }

        if (ledger.Sessions.LoadedCount == 0)
        {
            ledger.SessionSlots.Learn(tpm.Profile.Property(TpmPt.HrLoadedAvail, 3));
        }

        ledger.Gap.Learn(
            tpm.Profile.Property(TpmPt.ContextGapMax, ushort.MaxValue),
            tpm.Profile.Property(TpmPt.ActiveSessionsMax, 64));
    }
}
