using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Represents the handle by which one opener knows one of its transient objects. It is inside the TPM's transient
/// range, and has no meaning in any other space.
/// </summary>
internal readonly record struct VirtualHandle(uint Value)
{
    public static VirtualHandle First => new(TpmHandle.TransientFirst);

    /// <summary>True when the handle is inside the TPM's transient range.</summary>
    public bool IsValid => new TpmHandle(Value).IsTransient;

    /// <summary>The handle after this one; the range wraps around.</summary>
    public VirtualHandle Next => Value == TpmHandle.TransientLast ? First : new VirtualHandle(Value + 1);
}
