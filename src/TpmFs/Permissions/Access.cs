namespace TpmFs.Permissions;

/// <summary>
/// The permissions of a node: permission bits (07777), owner, group and what an ACL adds. The kernel enforces it
/// (default_permissions, FUSE_POSIX_ACL).
/// </summary>
internal readonly record struct Access(uint Mode, uint Uid, uint Gid, PosixAcl? Acl = null)
{
    private const uint GroupShift = 3;
    private const uint WriteBits = 0b010_010_010;
    private const uint OthersWriteBits = 0b000_010_010;
    private const uint GroupBits = 0b000_111_000;

    /// <summary>
    /// The mode of a directory that everybody passes through, and that only its owner lists. The kernel holds a
    /// directory's lock while it copies a listing into memory that may never arrive, and everybody who opens a file of
    /// the directory by its name waits for that lock.
    /// </summary>
    public const uint PublicDirectory = 0b111_001_001;

    /// <summary>
    /// The bits that are kept. Set-id bits mean nothing here, and a directory shows its sticky bit by itself.
    /// </summary>
    public const uint Permissions = 0x1FF;

    /// <summary>True when others than the owner may write; an ACL's mask is the group's bits.</summary>
    public bool IsWritableByOthers => (Mode & OthersWriteBits) != 0;

    /// <summary>True for the users who administer what the owner owns: root, and the owner.</summary>
    public bool IsAdministeredBy(uint uid) => uid == 0 || uid == Uid;

    /// <summary>True when the group has any permission.</summary>
    public bool IsGroups => (Mode & GroupBits) != 0;

    /// <summary>
    /// Returns the access after chmod(2). With an ACL the group's bits are the ACL's mask (acl(5)), so that nothing
    /// else need be changed.
    /// </summary>
    public Access WithMode(uint mode) => this with { Mode = mode & Permissions };

    /// <summary>
    /// Returns the access without any permission to write; an ACL's entries lose theirs with the mask.
    /// </summary>
    public Access WithoutWrite() => this with { Mode = Mode & ~WriteBits };

    /// <summary>Returns the access with another ACL. An ACL that says no more than a mode becomes a mode.</summary>
    public Access WithAcl(PosixAcl acl, uint mode) => this with { Mode = mode, Acl = acl.IsMinimal ? null : acl };

    /// <summary>Returns the access without its ACL. The group keeps no more than it had under the ACL.</summary>
    public Access WithoutAcl() =>
        Acl is null
            ? this
            : this with
            {
                Mode = Mode & ~(7u << (int)GroupShift) | (Mode & (Acl.Group << (int)GroupShift)),
                Acl = null
            };
}
