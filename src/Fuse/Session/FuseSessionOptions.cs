using TpmFs.Fuse.Mount;

namespace TpmFs.Fuse.Session;

/// <summary>How a session serves.</summary>
public sealed record FuseSessionOptions
{
    /// <summary>
    /// The threads that take turns at the device; 1 to 64. One of them reads and serves, and another takes over from it
    /// when a handler takes long; where there is only one, that holds up all other requests.
    /// </summary>
    public int Threads { get; init; } = 2;

    /// <summary>
    /// The most that one WRITE or READ carries, in bytes; 4096 to 512 KiB. A longer write(2) is split by the kernel.
    /// </summary>
    public int MaxWrite { get; init; } = 64 * 1024;

    /// <summary>
    /// POSIX ACLs (FUSE_POSIX_ACL): the kernel enforces what the filesystem keeps in system.posix_acl_access, and modes
    /// with it, whatever <see cref="FuseMountOptions.DefaultPermissions"/> says.
    /// </summary>
    public bool PosixAcl { get; init; }

    /// <summary>
    /// Null to let the thread that reads run as the scheduler likes. Needs two threads at least: one watches the other.
    /// </summary>
    public FollowOptions? Follow { get; init; }
}

/// <summary>Why a session ended.</summary>
public enum FuseSessionEnd
{
    /// <summary><see cref="FuseSession.Stop"/> or <see cref="FuseMount.Unmount"/> was called.</summary>
    Stopped,

    /// <summary>Somebody else unmounted the filesystem, or aborted the connection.</summary>
    Unmounted,

    /// <summary>The kernel's protocol is too old, or INIT failed; the log says why.</summary>
    Refused,
}
