namespace TpmFs.Permissions;

/// <summary>
/// Tells what a node's access allows, for callers that the kernel does not check: by the "Access check algorithm" of
/// acl(5).
/// </summary>
internal static class AccessCheck
{
    /// <summary>The permission to pass through a directory: x.</summary>
    public const uint Search = 1;

    /// <summary>The permissions to read and write a file: r and w.</summary>
    public const uint ReadAndWrite = 6;

    private const uint All = 7;
    private const int OwnerShift = 6;
    private const int GroupShift = 3;

    /// <summary>True when a user has all the permissions that are wanted. Root has them always.</summary>
    /// <param name="access">The node's access.</param>
    /// <param name="uid">The user.</param>
    /// <param name="groups">All groups of the user's process.</param>
    /// <param name="wanted">The wanted permissions, rwx as 0 to 7.</param>
    public static bool Allows(this Access access, uint uid, IReadOnlyCollection<uint> groups, uint wanted)
    {
        if (uid == 0)
        {
            return true;
        }

        if (uid == access.Uid)
        {
            return Has(access.Mode >> OwnerShift, wanted);
        }

        // With an ACL the mode's group bits are the ACL's mask, which holds for every entry but the owner's and the
        // others'.
        uint mask = access.Mode >> GroupShift & All;
        AclEntry[] named = access.Acl is { } acl ? [.. acl.Named] : [];
        if (Array.Find(named, entry => entry.Kind == AclKind.User && entry.Id == uid) is { Kind: AclKind.User } user)
        {
            return Has(user.Permissions & mask, wanted);
        }

        uint[] matching =
        [
            .. groups.Contains(access.Gid) ? [access.Acl?.Group ?? All] : Array.Empty<uint>(),
            .. named.Where(entry => entry.Kind == AclKind.Group && groups.Contains(entry.Id))
                .Select(entry => entry.Permissions),
        ];
        return matching.Length > 0
            ? matching.Any(permissions => Has(permissions & mask, wanted)) : Has(access.Mode, wanted);
    }

    private static bool Has(uint permissions, uint wanted) => (permissions & wanted) == wanted;
}
