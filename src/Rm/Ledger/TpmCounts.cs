namespace TpmFs.Rm.Ledger;

/// <summary>Holds the TPM's reset and restart counts (TPMS_CLOCK_INFO), which show a restart.</summary>
internal sealed class TpmCounts(StateRecord record)
{
    /// <summary>
    /// False when a command has changed the counts. The manager reads them again when that ends no exclusive audit
    /// session.
    /// </summary>
    public bool AreKnown { get; private set; }

    public uint Resets { get; private set; }

    public uint Restarts { get; private set; }

    /// <summary>
    /// Gets the last time at which the TPM was known not to have been restarted, by the manager's time provider.
    /// </summary>
    public long LastSure { get; private set; }

    /// <summary>Records the counts that the TPM reports.</summary>
    public void Learn(uint resets, uint restarts, long now)
    {
        (Resets, Restarts, LastSure) = (resets, restarts, now);
        AreKnown = true;
        record.Changed();
    }

    /// <summary>Records that a command changed the counts: TPM2_Clear sets them to zero.</summary>
    public void Forget()
    {
        AreKnown = false;
        record.Changed();
    }
}
