namespace TpmFs.Rm;

/// <summary>Whose a handle space is. Saved sessions are shared among spaces that are equal in all three.</summary>
/// <param name="Group">The domain that its limits and its share of the TPM's time come from.</param>
/// <param name="Uid">The user at open.</param>
/// <param name="Locality">The locality of all its commands, 0 to 4.</param>
public sealed record SpaceOwner(SchedulingGroup Group, uint Uid, byte Locality)
{
    /// <summary>
    /// Gets the user whose shares it uses: the opener, unless the system gives the opener's uid to another user.
    /// </summary>
    public uint Payer { get; init; } = Uid;
}
