using TpmFs.Fuse.Mount;
using TpmFs.Mirror;

namespace TpmFs.Fuse.Session;

/// <summary>The options of a session.</summary>
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

    /// <summary>
    /// Gets the store in which the session writes down what the next process needs to go on with the connection, and
    /// finds what an earlier one wrote. Null where no other process is to go on.
    /// </summary>
    public RecordStore? Records { get; init; }

    /// <summary>Tells the session from others that write to the same <see cref="Records"/>.</summary>
    public uint Connection { get; init; }

    /// <summary>
    /// True when an earlier process has served the connection, but nothing that it wrote down can be read: the first
    /// request does not come again, and requests that are under way are asked for again (FUSE_NOTIFY_RESEND, Linux 6.9
    /// and newer).
    /// </summary>
    public bool IsKept { get; init; }
}

/// <summary>The number of requests that a session took over from an earlier process.</summary>
/// <param name="Requests">Requests that were under way.</param>
/// <param name="Reads">Reads that waited for their answer.</param>
public readonly record struct FuseTakenOver(int Requests, int Reads)
{
    /// <summary>
    /// True when requests may be under way that this process knows nothing of, and that the kernel does not send again:
    /// programs that wait for their answers wait until the connection ends.
    /// </summary>
    public bool MayHang { get; init; }

    /// <summary>Returns what two sessions took over together.</summary>
    public static FuseTakenOver operator +(FuseTakenOver one, FuseTakenOver other) =>
        new(one.Requests + other.Requests, one.Reads + other.Reads) { MayHang = one.MayHang || other.MayHang };
}

/// <summary>The reason why a session ended.</summary>
public enum FuseSessionEnd
{
    /// <summary><see cref="FuseSession.Stop"/> or <see cref="FuseMount.Unmount"/> was called.</summary>
    Stopped,

    /// <summary>Another program unmounted the filesystem, or aborted the connection.</summary>
    Unmounted,

    /// <summary>The kernel's protocol is too old, or INIT failed; the log says why.</summary>
    Refused,
}
