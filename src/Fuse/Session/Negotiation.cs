using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>
/// The first exchange of a connection: agrees with the kernel on a version, and on what either side does. One thread
/// at a time, but for <see cref="State"/>.
/// </summary>
/// <param name="request">The request that begins a connection of this kind.</param>
/// <param name="maxWrite">The most that a WRITE is to carry, in bytes.</param>
/// <param name="log">Learns what a person should know.</param>
internal abstract class Negotiation(FuseOpcode request, int maxWrite, IFuseLog log)
{
    public const uint Major = 7;

    /// <summary>The minor version of the linux/fuse.h that this library follows.</summary>
    public const uint Minor = 38;

    /// <summary>The minor version of Linux 5.4.</summary>
    public const uint OldestMinor = 31;

    private volatile NegotiationState _state;

    /// <summary>Gets how far the exchange is. Any thread.</summary>
    public NegotiationState State => _state;

    /// <summary>Gets the request that begins a connection of this kind.</summary>
    public FuseOpcode Request => request;

    /// <summary>Gets the most that a READ may ask for, in bytes.</summary>
    public abstract int MaxRead { get; }

    /// <summary>Gets the most that a WRITE carries, in bytes.</summary>
    public int MaxWrite { get; private set; } = maxWrite;

    protected IFuseLog Log => log;

    /// <summary>Goes on with what an earlier process agreed on; the first request does not come again.</summary>
    /// <param name="settled">The body of the answer to the first request; empty where that is not known.</param>
    public void Restore(ReadOnlySpan<byte> settled)
    {
        if (MaxWriteOf(settled) is { } agreed)
        {
            MaxWrite = (int)Math.Clamp(agreed, FuseSession.MinMaxWrite, FuseSession.MaxMaxWrite);
        }

        _state = NegotiationState.Done;
    }

    /// <summary>Answers the first request.</summary>
    public Errno Init(ref FuseRequest request, ReplyBuffer reply)
    {
        if (_state != NegotiationState.Pending)
        {
            log.Error($"The kernel sent a second request to begin ({Request}); it is refused.", null);
            return Errno.EIO;
        }

        _state = Agree(ref request, reply);
        return _state != NegotiationState.Refused ? Errno.None : request.IsMalformed ? Errno.EINVAL : Errno.EPROTO;
    }

    /// <summary>Learns that the filesystem is ready too: requests may be served once the first is answered.</summary>
    public void Done() => _state = NegotiationState.Done;

    /// <summary>Learns that the first request cannot be answered.</summary>
    public void Refuse() => _state = NegotiationState.Refused;

    /// <summary>Answers the first request, or says in the log why not.</summary>
    /// <returns>Pending when the kernel is to begin again, by another version.</returns>
    protected abstract NegotiationState Agree(ref FuseRequest request, ReplyBuffer reply);

    /// <summary>Returns the most that a WRITE carries, as an answer to the first request has it.</summary>
    /// <returns>Null where it is no such answer.</returns>
    protected abstract uint? MaxWriteOf(ReadOnlySpan<byte> answer);
}

internal enum NegotiationState
{
    Pending,
    Agreed,
    Done,
    Refused,
}
