using TpmFs.Permissions;
using TpmFs.Policy;

namespace TpmFs.Users;

/// <summary>A domain as it is configured, until somebody changes it.</summary>
/// <param name="Directory">Whose the directory is.</param>
/// <param name="Managed">Whose the managed nodes at locality 0 are.</param>
/// <param name="Limits">Complete.</param>
internal sealed record DomainPlan(Access Directory, Access Managed, Limits Limits)
{
    private const uint MadeDirectory = 0b111_101_000;
    private const uint MadeNode = 0b110_110_000;
    private const uint UserDirectory = 0b111_000_000;
    private const uint UserNode = 0b110_000_000;

    /// <summary>
    /// A domain that an administrator makes; <paramref name="mode"/> may only take from its permissions.
    /// </summary>
    public static DomainPlan OfMade(uint uid, uint gid, uint mode, Limits limits) =>
        new(new Access(MadeDirectory & mode, uid, gid), new Access(MadeNode, uid, gid), limits);

    /// <summary>A domain of the configuration.</summary>
    public static DomainPlan OfConfigured(uint uid, uint gid, uint? mode, Limits limits) =>
        new(new Access(mode ?? MadeDirectory, uid, gid), new Access(MadeNode, uid, gid), limits);

    public static DomainPlan OfUser(uint uid, uint gid, Limits limits) =>
        new(new Access(UserDirectory, uid, gid), new Access(UserNode, uid, gid), limits);
}
