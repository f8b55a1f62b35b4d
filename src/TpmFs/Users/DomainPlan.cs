using TpmFs.Permissions;
using TpmFs.Policy;

namespace TpmFs.Users;

/// <summary>A domain as it is configured, until somebody changes it.</summary>
/// <param name="Directory">The owner and permissions of the directory.</param>
/// <param name="Managed">The owner and permissions of the managed nodes at locality 0.</param>
/// <param name="Limits">The domain's limits, none of them null.</param>
internal sealed record DomainPlan(Access Directory, Access Managed, Limits Limits)
{
    private const uint MadeDirectory = 0b111_101_000;
    private const uint MadeNode = 0b110_110_000;
    private const uint UserDirectory = 0b111_000_000;
    private const uint UserNode = 0b110_000_000;

    /// <summary>
    /// Returns the plan of a domain that an administrator makes; <paramref name="mode"/> may only take from its
    /// permissions.
    /// </summary>
    public static DomainPlan OfMade(uint uid, uint gid, uint mode, Limits limits) =>
        new(new Access(MadeDirectory & mode, uid, gid), new Access(MadeNode, uid, gid), limits);

    /// <summary>Returns the plan of a domain of the configuration.</summary>
    public static DomainPlan OfConfigured(uint uid, uint gid, uint? mode, Limits limits) =>
        new(new Access(mode ?? MadeDirectory, uid, gid), new Access(MadeNode, uid, gid), limits);

    public static DomainPlan OfUser(uint uid, uint gid, Limits limits) =>
        new(new Access(UserDirectory, uid, gid), new Access(UserNode, uid, gid), limits);
}
