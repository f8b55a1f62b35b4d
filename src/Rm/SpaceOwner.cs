namespace TpmFs.Rm;

/// <summary>
/// Says who owns a handle space. Spaces whose owners are equal in all three parts share saved sessions.
/// </summary>
/// <param name="Group">The domain, which sets the space's limits and its share of the TPM's time.</param>
/// <param name="Uid">The user who opened the space.</param>
/// <param name="Locality">
/// The locality, 0 to 4, of the node by which the space was opened: that of its commands unless
/// <see cref="Space.Locality"/> says otherwise.
/// </param>
public sealed record SpaceOwner(SchedulingGroup Group, uint Uid, byte Locality)
{
    /// <summary>
    /// Gets the user whose shares the space uses: the opener, unless the system gives the opener's uid to another user.
    /// </summary>
    public uint Payer { get; init; } = Uid;
}
