namespace TpmFs.Simulation;

/// <summary>
/// Parameters of a simulated TPM. The defaults are those of the reference implementation as libtpms builds it.
/// </summary>
internal sealed record TpmParameters
{
    public int ObjectSlots { get; init; } = 3;

    /// <summary>True when a new object gets the lowest free handle. Otherwise each handle is given once.</summary>
    public bool ReusesObjectHandles { get; init; } = true;

    public int SessionSlots { get; init; } = 3;

    public int ActiveSessionsMax { get; init; } = 64;

    /// <summary>TPM_PT_CONTEXT_GAP_MAX: 2^n - 1.</summary>
    public uint ContextGap { get; init; } = 0xFFFF;

    public int MaxCommandSize { get; init; } = 4096;

    /// <summary>True when Create needs a free object slot while it runs.</summary>
    public bool CreateNeedsSlot { get; init; } = true;

    /// <summary>True when a command that names a persistent object needs a free object slot while it runs.</summary>
    public bool PersistentObjectsNeedSlot { get; init; } = true;

    /// <summary>
    /// True when the first use of an entity with dictionary-attack protection is answered with TPM_RC_RETRY.
    /// </summary>
    public bool DictionaryAttackProtection { get; init; } = true;

    /// <summary>Gets the source of random bytes and nonces.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Gets the source of the TPM's clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
