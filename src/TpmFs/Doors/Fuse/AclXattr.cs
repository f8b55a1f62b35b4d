using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// The one extended attribute that nodes have, system.posix_acl_access. Never ENOSYS: the kernel would ask for no ACL
/// again on the whole mount, and take the mask for the group's permissions.
/// </summary>
internal static class AclXattr
{
    private const uint Create = 1; // XATTR_CREATE, linux/xattr.h
    private const uint Replace = 2; // XATTR_REPLACE

    private const int MaxNamedOfUsers = 32;

    private static ReadOnlySpan<byte> AccessAcl => "system.posix_acl_access"u8;

    /// <summary>Returns true when an attribute is an ACL, of either kind.</summary>
    public static bool IsAcl(ReadOnlySpan<byte> name) => name.StartsWith("system.posix_acl_"u8);

    /// <summary>
    /// True when an ACL is longer than one that a user may set who does not administer the tree. All of them are kept
    /// in memory and in the state file, and a user may own hundreds of domains.
    /// </summary>
    public static bool IsLong(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) =>
        IsAcl(name) && value.Length > PosixAcl.LengthOf(MaxNamedOfUsers);

    public static Errno Get(NodeAccess guard, ReadOnlySpan<byte> name, FuseBytesReply value)
    {
        if (!name.SequenceEqual(AccessAcl) || guard.Current is not { Acl: { } acl, Mode: var mode })
        {
            return Errno.ENODATA;
        }

        value.Set(acl.ToBytes(mode));
        return Errno.None;
    }

    public static Errno List(NodeAccess guard, FuseBytesReply names)
    {
        if (guard.Current.Acl is not null)
        {
            names.Set("system.posix_acl_access\0"u8);
        }

        return Errno.None;
    }

    public static Errno Set(NodeAccess guard, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags)
    {
        if (!name.SequenceEqual(AccessAcl))
        {
            return Errno.EOPNOTSUPP;
        }

        if (!PosixAcl.TryParse(value, out PosixAcl? acl, out uint mode))
        {
            return Errno.EINVAL;
        }

        bool there = guard.Current.Acl is not null;
        return (flags & Create) != 0 && there ? Errno.EEXIST
            : (flags & Replace) != 0 && !there ? Errno.ENODATA
            : guard.Change(access => access.WithAcl(acl, mode));
    }

    public static Errno Remove(NodeAccess guard, ReadOnlySpan<byte> name) =>
        !name.SequenceEqual(AccessAcl) ? Errno.EOPNOTSUPP
        : guard.Current.Acl is null ? Errno.ENODATA
        : guard.Change(access => access.WithoutAcl());
}
