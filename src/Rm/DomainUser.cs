namespace TpmFs.Rm;

/// <summary>
/// Names a user within a domain. Each such user has a share of what the manager's users have in common.
/// </summary>
/// <param name="Group">The domain, or the user's share of the root's nodes.</param>
/// <param name="Payer">The user, with all uids that the system gives to that user.</param>
internal readonly record struct DomainUser(SchedulingGroup Group, uint Payer)
{
    public static DomainUser Of(SpaceOwner owner) => new(owner.Group, owner.Payer);
}
