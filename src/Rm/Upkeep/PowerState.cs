using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// Finds out whether the TPM was restarted. Tells TPM Reset, Restart and Resume (Part 1, 12.2) apart, and drops what
/// each of them takes away. Used by the manager's thread alone.
/// </summary>
internal sealed class PowerState(
    TpmEndpoint tpm, TpmLedger ledger, TpmSlots slots, TimeProvider time, IResourceManagerLog log)
{
    /// <summary>Gets the number of the TPM's restarts that were noticed and logged.</summary>
    public int RestartsSeen { get; private set; }

    /// <summary>
    /// True when a property that the TPM reports is out of date. Asking the TPM for it ends an exclusive audit session.
    /// </summary>
    public bool MustReadAnew => !tpm.Profile.AuditedIsKnown || !ledger.Counts.AreKnown;

    /// <summary>Starts the TPM if it is not started, and notes its counts.</summary>
    public TpmStepResult Start()
    {
        OwnResult startup = tpm.Channel.Startup();
        return startup.Code == TpmRc.Initialize || startup.Succeeded ? ReadCounts() : startup.AsStep();
    }

    public TpmStepResult ReadCounts()
    {
        TpmStepResult step = TryReadClock(out Clock clock);
        if (step == TpmStepResult.Done)
        {
            Remember(clock);
        }

        return step;
    }

    /// <summary>Asks the TPM for one property that is out of date.</summary>
    public TpmStepResult ReadAnew() => tpm.Profile.AuditedIsKnown ? ReadCounts() : tpm.Profile.ReadAudited();

    /// <summary>
    /// Asks the TPM whether it was restarted, starts it if need be, and drops what is gone. Called when an answer of
    /// the TPM contradicts the ledger, and after a lost link.
    /// </summary>
    public TpmStepResult Verify()
    {
        TpmStepResult step = TryReadClock(out Clock clock);
        bool wasDown = false;
        if (step == TpmStepResult.Inconsistent)
        {
            OwnResult startup = tpm.Channel.Startup();
            if (!startup.Succeeded && startup.Code != TpmRc.Initialize)
            {
                return startup.AsStep();
            }

            wasDown = startup.Succeeded;
            step = TryReadClock(out clock);
        }

        return step == TpmStepResult.Done ? Compare(clock, wasDown) : step;
    }

    /// <summary>Records that the TPM accepted a client's own TPM2_Startup, so it was down.</summary>
    public TpmStepResult ClientStarted()
    {
        TpmStepResult step = TryReadClock(out Clock clock);
        return step == TpmStepResult.Done ? Compare(clock, wasDown: true) : step;
    }

    /// <param name="wasDown">
    /// True when the TPM was down and has just been started, by the manager or for a client.
    /// </param>
    private TpmStepResult Compare(Clock clock, bool wasDown)
    {
        TpmReturn how = TpmReturn.Unchanged;
        if (ledger.Counts.AreKnown && clock.ResetCount != ledger.Counts.Resets)
        {
            how = TpmReturn.Reset;
        }
        else if (wasDown || (ledger.Counts.AreKnown && clock.RestartCount != ledger.Counts.Restarts))
        {
            how = TpmReturn.Restarted;
        }

        if (how != TpmReturn.Unchanged)
        {
            bool isReset = how == TpmReturn.Reset;
            var restart = new TpmRestart(
                isReset,
                WasSeenDown: wasDown,
                IsUnderstood: wasDown && (!isReset || clock.RestartCount == 0),
                Started: wasDown ? long.MaxValue : EarliestStart(clock),
                LastSure: ledger.Counts.LastSure);
            TpmStepResult step = TpmHoldings.Find(tpm.Profile, restart, out TpmHoldings holdings);
            step = step == TpmStepResult.Done ? Drop(holdings) : step;
            if (step != TpmStepResult.Done)
            {
                return step;
            }

            RestartsSeen++;
            log.TpmBack(how);
        }

        Remember(clock);
        return TpmStepResult.Done;
    }

    private void Remember(Clock clock) =>
        ledger.Counts.Learn(clock.ResetCount, clock.RestartCount, time.GetTimestamp());

    /// <summary>Returns when the TPM was started, by its own clock, which may be 15 % off (Part 1, 36.1).</summary>
    private long EarliestStart(Clock clock)
    {
        TimeSpan running =
            TimeSpan.FromMilliseconds(Math.Min(clock.Time, int.MaxValue) * 1.15) + TimeSpan.FromMilliseconds(2);
        return time.GetTimestamp() - (long)(running.TotalSeconds * time.TimestampFrequency);
    }

    private TpmStepResult Drop(TpmHoldings holdings)
    {
        ledger.Objects.KeepOnly(holdings.HasResident, holdings.HasTransient);
        ledger.ObjectSlots.Forget();
        ledger.Sessions.KeepOnly(holdings.Has);
        ledger.SessionSlots.Forget();
        foreach (SpaceRecord space in ledger.Spaces.All)
        {
            foreach (TransientObject held in space.Objects.Values)
            {
                held.PublicAnswer = null;
                bool? isThere = held.Resident is not null ? true : holdings.HasContextOf(held);
                TpmStepResult step = isThere is null ? slots.Objects.TryContext(held) : TpmStepResult.Done;
                if (step is TpmStepResult.Lost or TpmStepResult.PutOff)
                {
                    return step;
                }

                if (isThere == false)
                {
                    held.ForgetContext();
                }
            }

            space.ForgetLost(ledger.Objects.End);
        }

        return TpmStepResult.Done;
    }

    private TpmStepResult TryReadClock(out Clock clock)
    {
        clock = default;
        TpmStepResult step = tpm.Channel.ReadClock(out ReadOnlySpan<byte> info).AsStep();
        if (step != TpmStepResult.Done)
        {
            return step;
        }

        var reader = new TpmReader(info);
        bool read = reader.TryReadUInt64(out ulong running)
            & reader.TryReadUInt64(out _)
            & reader.TryReadUInt32(out uint reset)
            & reader.TryReadUInt32(out uint restart);
        clock = new Clock(running, reset, restart);
        return read ? TpmStepResult.Done : TpmStepResult.Inconsistent;
    }

    /// <summary>
    /// Holds the parts of TPMS_TIME_INFO that matter here. <paramref name="Time"/> is in milliseconds since the TPM was
    /// powered on.
    /// </summary>
    private readonly record struct Clock(ulong Time, uint ResetCount, uint RestartCount);
}
