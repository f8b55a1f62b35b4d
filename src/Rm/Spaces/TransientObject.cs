using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>A transient object of one opener: in the TPM, in a saved context, or both.</summary>
internal sealed class TransientObject
{
    /// <summary>The TPM's handle while the object is in the TPM.</summary>
    public TpmHandle? Resident { get; set; }

    /// <summary>When it was put into the TPM last, by the manager's time provider.</summary>
    public long Entered { get; set; }

    /// <summary>A context of the object as it is now; null when there is none.</summary>
    public byte[]? Context { get; set; }

    /// <summary>The TPM forgot it, or will not load it: there is nothing left to name.</summary>
    public bool IsLost => Resident is null && Context is null;

    /// <summary>TPM_RH_OWNER, _ENDORSEMENT, _PLATFORM or _NULL; null until the first context tells.</summary>
    public uint? Hierarchy { get; set; }

    /// <summary>
    /// A hash, HMAC or event sequence: its state changes with each use, and ReadPublic does not know it.
    /// </summary>
    public bool IsSequence { get; set; }

    /// <summary>The object does not survive TPM Restart (its context's savedHandle said so).</summary>
    public bool IsStClear { get; set; }

    /// <summary>The TPM's whole response to ReadPublic, once it was asked without a session.</summary>
    public byte[]? PublicAnswer { get; set; }

    /// <summary>When it was used last, by the eviction policy's clock; 0 before the first use.</summary>
    public long LastUse { get; set; }

    /// <summary>Uses of any object between its last two; 0 before the second.</summary>
    public long Interval { get; set; }
}
