using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>
/// Whether the TPM is still the one that was left: tells TPM Reset, Restart and Resume (Part 1, 12.2) apart, and lets go of what each
/// takes away. Used by the manager's thread alone.
/// </summary>
internal sealed class PowerState(
    TpmChannel channel,
    ObjectResidency objects,
    SessionTable sessions,
    IReadOnlyCollection<ManagedSpace> spaces,
    IResourceManagerLog log)
{
    private uint _resetCount;
    private uint _restartCount;

    /// <summary>False when a command changed the counts: they are to be read when that disturbs nobody.</summary>
    public bool CountsAreKnown { get; private set; }

    /// <summary>TPM2_Clear sets the counts to zero.</summary>
    public void ForgetCounts() => CountsAreKnown = false;

    /// <summary>Starts the TPM where it is not started, and notes its counts.</summary>
    public Step Start()
    {
        OwnResult startup = channel.Startup();
        return startup.Code == TpmRc.Initialize || startup.Succeeded ? ReadCounts() : startup.AsStep();
    }

    public Step ReadCounts()
    {
        Step step = TryReadCounts(out uint reset, out uint restart);
        if (step == Step.Done)
        {
            (_resetCount, _restartCount, CountsAreKnown) = (reset, restart, true);
        }

        return step;
    }

    /// <summary>
    /// Something does not fit, or the link was lost: asks the TPM whether it was restarted, starts it if need be, and drops what is gone.
    /// </summary>
    public Step Verify()
    {
        Step step = TryReadCounts(out uint reset, out uint restart);
        bool wasDown = false;
        if (step == Step.Inconsistent)
        {
            OwnResult startup = channel.Startup();
            if (!startup.Succeeded && startup.Code != TpmRc.Initialize)
            {
                return startup.AsStep();
            }

            wasDown = startup.Succeeded;
            step = TryReadCounts(out reset, out restart);
        }

        return step == Step.Done ? Compare(reset, restart, wasDown) : step;
    }

    /// <summary>A client's own TPM2_Startup was accepted: the TPM was down.</summary>
    public Step ClientStarted()
    {
        Step step = TryReadCounts(out uint reset, out uint restart);
        return step == Step.Done ? Compare(reset, restart, wasDown: true) : step;
    }

    private Step Compare(uint reset, uint restart, bool wasDown)
    {
        TpmReturn how = TpmReturn.Unchanged;
        if (CountsAreKnown && reset != _resetCount)
        {
            how = TpmReturn.Reset;
        }
        else if (wasDown || (CountsAreKnown && restart != _restartCount))
        {
            how = TpmReturn.Restarted;
        }

        (_resetCount, _restartCount, CountsAreKnown) = (reset, restart, true);
        if (how != TpmReturn.Unchanged)
        {
            Drop(how, startedWithClear: wasDown);
            log.TpmBack(how);
        }

        return Step.Done;
    }

    /// <summary>
    /// Drops what the event takes. After Restart, which is what Startup(CLEAR) makes of an orderly Shutdown(STATE), objects with stClear
    /// are gone as well; whether Resume left them is the TPM's to say when they are loaded.
    /// </summary>
    private void Drop(TpmReturn how, bool startedWithClear)
    {
        objects.AllLeft();
        sessions.TpmRestarted(savedToo: how == TpmReturn.Reset);
        foreach (ManagedSpace space in spaces)
        {
            foreach (TransientObject survivor in space.Objects.Values)
            {
                survivor.PublicAnswer = null;
            }

            space.RemoveWhere(
                held => how == TpmReturn.Reset || held.IsLost || (startedWithClear && held.IsStClear),
                objects.Ended);
        }
    }

    private Step TryReadCounts(out uint reset, out uint restart)
    {
        reset = 0;
        restart = 0;
        Step step = channel.ReadClock(out ReadOnlySpan<byte> info).AsStep();
        if (step != Step.Done)
        {
            return step;
        }

        var reader = new TpmReader(info);
        bool read = reader.TryReadUInt64(out _) & reader.TryReadUInt64(out _) & reader.TryReadUInt32(out reset) & reader.TryReadUInt32(out restart);
        return read ? Step.Done : Step.Inconsistent;
    }
}
