using System.Runtime.InteropServices;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>INIT: agrees with the kernel on a version and on what either side does.</summary>
internal sealed class FuseNegotiation(FuseSessionOptions options, IFuseLog log)
    : Negotiation(FuseOpcode.Init, options.MaxWrite, log)
{
    private static readonly int s_pageSize = Environment.SystemPageSize;

    /// <summary>
    /// The features that the session asks for where the kernel offers them. It never asks for FUSE_CACHE_SYMLINKS (a
    /// link may differ by its reader), FUSE_NO_OPEN(DIR)_SUPPORT (every open is a thing of its own), FUSE_ALLOW_IDMAP
    /// (requests would carry no uid), FUSE_ATOMIC_O_TRUNC (truncation comes as SETATTR), or FUSE_DO_READDIRPLUS (an
    /// entry has no lifetime, so that the kernel could not use it). FUSE_POSIX_LOCKS and FUSE_FLOCK_LOCKS bring locks
    /// here, where they are refused: the kernel would keep them for each inode, and a file may have several
    /// (<see cref="FuseEntry"/>).
    /// </summary>
    private const FuseInitFlags Wanted = FuseInitFlags.AsyncRead | FuseInitFlags.PosixLocks | FuseInitFlags.FlockLocks
        | FuseInitFlags.ParallelDirOps | FuseInitFlags.AbortError | FuseInitFlags.MaxPages;

    /// <summary>
    /// The pages of one request's data. One more than max_write needs, so that a buffer which does not begin at a
    /// page's start is not split over two requests.
    /// </summary>
    public int MaxPages => ((MaxWrite + s_pageSize - 1) / s_pageSize) + 1;

    public override int MaxRead => MaxPages * s_pageSize;

    protected override NegotiationState Agree(ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseInitIn init))
        {
            request.Malformed();
            return NegotiationState.Refused;
        }

        if (init.Major > Major)
        {
            // The kernel comes again with our major version.
            reply.Put(Answer(0, FuseInitFlags.None));
            return NegotiationState.Pending;
        }

        if (init.Major < Major || init.Minor < OldestMinor)
        {
            Log.Error(
                $"The kernel speaks FUSE {init.Major}.{init.Minor}; {Major}.{OldestMinor} (Linux 5.4) or newer is "
                    + "needed.", null);
            return NegotiationState.Refused;
        }

        FuseInitFlags wanted = options.PosixAcl ? Wanted | FuseInitFlags.PosixAcl : Wanted;
        if (!init.Flags.HasFlag(FuseInitFlags.MaxPages))
        {
            Log.Error("The kernel does not offer FUSE_MAX_PAGES, without which a write may arrive in pieces.", null);
            return NegotiationState.Refused;
        }

        if (options.PosixAcl && !init.Flags.HasFlag(FuseInitFlags.PosixAcl))
        {
            Log.Error(
                "The kernel does not offer POSIX ACLs on FUSE (FUSE_POSIX_ACL), which this filesystem's access rules "
                    + "need.", null);
            return NegotiationState.Refused;
        }

        reply.Put(Answer(Math.Min(init.MaxReadahead, (uint)MaxWrite), init.Flags & wanted));
        return NegotiationState.Agreed;
    }

    protected override uint? MaxWriteOf(ReadOnlySpan<byte> answer) =>
        MemoryMarshal.TryRead(answer, out FuseInitOut settled) ? settled.MaxWrite : null;

    private FuseInitOut Answer(uint maxReadahead, FuseInitFlags flags) =>
        new(Major, Minor, maxReadahead, flags, MaxBackground: 0, CongestionThreshold: 0, (uint)MaxWrite,
            TimeGran: 1, (ushort)MaxPages, MapAlignment: 0, Flags2: 0, default);
}
