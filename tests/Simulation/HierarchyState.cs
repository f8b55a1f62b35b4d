namespace TpmFs.Simulation;

/// <summary>
/// The hierarchies: whether each is enabled, its authorization value, and the epochs of its seed and proof. A seed and
/// a proof are digests of the handle and the epoch, so that two simulations with the same past have the same keys.
/// </summary>
internal sealed class HierarchyState
{
    private readonly Dictionary<uint, uint> _seeds = [];
    private readonly Dictionary<uint, uint> _proofs = [];
    private readonly Dictionary<uint, byte[]> _auths = [];

    public bool OwnerEnabled { get; private set; } = true;

    public bool EndorsementEnabled { get; private set; } = true;

    public bool PlatformEnabled { get; private set; } = true;

    public bool PlatformNvEnabled { get; private set; } = true;

    public bool IsEnabled(uint hierarchy) => hierarchy switch
    {
        Handles.Owner => OwnerEnabled,
        Handles.Endorsement => EndorsementEnabled,
        Handles.Platform => PlatformEnabled,
        Handles.PlatformNv => PlatformNvEnabled,
        _ => true,
    };

    public void Enable(uint hierarchy, bool enabled)
    {
        switch (hierarchy)
        {
            case Handles.Owner:
                OwnerEnabled = enabled;
                break;
            case Handles.Endorsement:
                EndorsementEnabled = enabled;
                break;
            case Handles.Platform:
                PlatformEnabled = enabled;
                break;
            case Handles.PlatformNv:
                PlatformNvEnabled = enabled;
                break;
        }
    }

    /// <summary>The authorization value of a hierarchy or of lockout, without trailing zeros.</summary>
    public byte[] Auth(uint handle) => _auths.GetValueOrDefault(handle, []);

    public void SetAuth(uint handle, byte[] auth) => _auths[handle] = TpmObject.Trim(auth);

    /// <summary>The seed from which primary objects are derived.</summary>
    public byte[] Seed(uint hierarchy) => Derive(hierarchy, 1, _seeds.GetValueOrDefault(hierarchy));

    /// <summary>The secret that authenticates contexts and tickets.</summary>
    public byte[] Proof(uint hierarchy) => Derive(hierarchy, 2, _proofs.GetValueOrDefault(hierarchy));

    public void ChangeSeed(uint hierarchy) => _seeds[hierarchy] = _seeds.GetValueOrDefault(hierarchy) + 1;

    public void ChangeProof(uint hierarchy) => _proofs[hierarchy] = _proofs.GetValueOrDefault(hierarchy) + 1;

    private static byte[] Derive(uint hierarchy, byte use, uint epoch) =>
        Hashes.Digest(new ByteWriter().U32(hierarchy).U8(use).U32(epoch));
}
