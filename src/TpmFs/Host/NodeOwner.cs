using System.Globalization;
using Mono.Unix.Native;
using TpmFs.Permissions;

namespace TpmFs.Host;

/// <summary>
/// Works out the owner of the nodes at first: root and the group tss when root runs the daemon, else this user alone.
/// </summary>
internal static class NodeOwner
{
    public const string DefaultGroup = "tss";
    private const uint OwnerAndGroup = 0b110_110_000;
    private const uint OwnerOnly = 0b110_000_000;
    private const uint PrivateDirectory = 0b111_000_000;

    /// <summary>Returns the access of the tree's root.</summary>
    public static Access OfRoot(uint uid, uint gid) =>
        new(uid == 0 ? Access.PublicDirectory : PrivateDirectory, uid, gid);

    /// <summary>Works out the access of rm0, with a warning where the default cannot be had.</summary>
    /// <param name="mode">The configured permission bits, or null.</param>
    /// <param name="group">A name or number as configured, or null.</param>
    /// <param name="find">Finds a group's number by its name.</param>
    /// <param name="problem">The problem of the configured group.</param>
    public static bool TryOfRm0(
        uint uid, uint gid, uint? mode, string? group, Func<string, uint?> find, out Access access, out string? warning,
        out string problem)
    {
        warning = null;
        problem = "";
        access = new Access(mode ?? OwnerOnly, uid, gid);
        if (group is not null)
        {
            if ((uint.TryParse(group, NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
                ? number : find(group)) is not { } named)
            {
                problem =
                    $"there is no group '{group}', which the configuration gives to rm0. Create it (groupadd --system "
                        + $"{group}) or change rm0.group";
                return false;
            }

            access = new Access(mode ?? OwnerAndGroup, uid, named);
        }
        else if (uid == 0 && find(DefaultGroup) is { } tss)
        {
            access = new Access(mode ?? OwnerAndGroup, uid, tss);
        }
        else if (uid == 0)
        {
            warning =
                $"there is no group {DefaultGroup}, so only root can use rm0. To let other users use it: groupadd "
                    + $"--system {DefaultGroup}; usermod --append --groups {DefaultGroup} USER; then start tpmfs again";
        }

        return true;
    }

    public static uint? FindGroup(string name) => Syscall.getgrnam(name)?.gr_gid;
}
