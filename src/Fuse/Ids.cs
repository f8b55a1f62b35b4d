namespace TpmFs.Fuse;

/// <summary>
/// The number of a node, as LOOKUP hands it out: 64 bits, never reused. A node may have several at a time
/// (<see cref="FuseEntry"/>).
/// </summary>
public readonly record struct NodeId(ulong Value)
{
    /// <summary>FUSE_ROOT_ID of linux/fuse.h.</summary>
    public static NodeId Root => new(1);
}

/// <summary>The number of one open file description, as OPEN hands it out (the protocol's fh).</summary>
public readonly record struct OpenId(ulong Value);

/// <summary>The number of a kernel poll table (the protocol's kh), to be named in FUSE_NOTIFY_POLL.</summary>
public readonly record struct PollId(ulong Value);

/// <summary>
/// The caller of a request: the user, group and thread of its header, as the initial user namespace sees them.
/// </summary>
public readonly record struct FuseCaller(uint Uid, uint Gid, uint Pid)
{
    /// <summary>Gets the request's identity.</summary>
    public FuseRequestId Request { get; init; }
}

/// <summary>Tells one request from another.</summary>
/// <param name="Unique">The kernel's number, which it does not use again on the connection.</param>
/// <param name="IsRepeated">
/// True when an earlier process that served the connection had the request and may have carried it out, all of it or a
/// part; but it did not live to say so. The kernel has had no answer, or will refuse a second one.
/// </param>
public readonly record struct FuseRequestId(ulong Unique, bool IsRepeated);
