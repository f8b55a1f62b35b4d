namespace TpmFs.Rm.Ledger;

/// <summary>The TPM's reset and restart counts (TPMS_CLOCK_INFO), by which a restart is told.</summary>
internal sealed class TpmCounts
{
    /// <summary>False when a command changed the counts: they are to be read when that disturbs nobody.</summary>
    public bool AreKnown { get; private set; }

    public uint Resets { get; private set; }

    public uint Restarts { get; private set; }

    /// <summary>When the TPM was last known to be the same, by the manager's time provider.</summary>
    public long LastSure { get; private set; }

    /// <summary>Records what the TPM says.</summary>
    public void Learn(uint resets, uint restarts, long now)
    {
        (Resets, Restarts, LastSure) = (resets, restarts, now);
        AreKnown = true;
    }

    /// <summary>Records that a command changed the counts: TPM2_Clear sets them to zero.</summary>
    public void Forget() => AreKnown = false;
}
