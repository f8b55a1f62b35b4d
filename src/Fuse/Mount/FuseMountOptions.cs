namespace TpmFs.Fuse.Mount;

/// <summary>The place and the options of a mount.</summary>
public sealed record FuseMountOptions
{
    /// <summary>The directory to mount on.</summary>
    public required string MountPoint { get; init; }

    /// <summary>Gets the source that mount(8) shows. Letters, digits and any of <c>-_.:/</c>.</summary>
    public string Source { get; init; } = "tpmfs";

    /// <summary>Gets the type that mount(8) shows after "fuse.". Letters, digits and any of <c>-_.:/</c>.</summary>
    public string Subtype { get; init; } = "tpmfs";

    /// <summary>
    /// True when other users may use the mount. Without root this needs the line user_allow_other in /etc/fuse.conf;
    /// where that line is missing, the mount is for its own user alone.
    /// </summary>
    public bool AllowOther { get; init; }

    /// <summary>
    /// True when the kernel checks modes and ACLs. Otherwise the filesystem must check every access itself.
    /// </summary>
    public bool DefaultPermissions { get; init; } = true;

    /// <summary>
    /// True to make the last directory of <see cref="MountPoint"/> (mode 0755) where it is missing, and to remove it
    /// when unmounted.
    /// </summary>
    public bool CreateMountPoint { get; init; }

    /// <summary>
    /// The file that the server of this mount point keeps locked (flock) while it lives; made with mode 0600 where
    /// missing, in a directory that exists. A server that gets the lock removes what an earlier server left on the
    /// mount point, because that server must be dead. So the path must follow from the mount point alone, and nobody
    /// may delete or rename the file.
    /// </summary>
    public required string LockFile { get; init; }
}
