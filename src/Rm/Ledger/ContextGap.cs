namespace TpmFs.Rm.Ledger;

/// <summary>
/// Knows how far the TPM's context counter may run from the oldest saved session (TPM_PT_CONTEXT_GAP_MAX).
/// </summary>
internal sealed class ContextGap
{
    public ulong Max { get; private set; } = ushort.MaxValue;

    /// <summary>
    /// The distance to the counter's end, in values of the counter, at which the oldest saved session is saved again.
    /// </summary>
    public ulong Slack { get; private set; }

    /// <param name="max">The value of TPM_PT_CONTEXT_GAP_MAX.</param>
    /// <param name="active">The value of TPM_PT_ACTIVE_SESSIONS_MAX.</param>
    public void Learn(uint max, uint active)
    {
        Max = Math.Max(max, 2);
        Slack = Math.Min(Max / 2, 4 * (ulong)Math.Max(active, 1));
    }
}
