using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>
/// The first exchange of a connection: agrees with the kernel on a version, and on what either side does. One thread
/// at a time, but for <see cref="State"/>.
/// </summary>
internal interface INegotiation
{
    /// <summary>Gets how far the exchange is. Any thread.</summary>
    NegotiationState State { get; }

    /// <summary>Gets the request that begins a connection of this kind.</summary>
    FuseOpcode Request { get; }

    /// <summary>Gets the most that a READ may ask for, in bytes.</summary>
    int MaxRead { get; }

    /// <summary>Gets the most that a WRITE carries, in bytes.</summary>
    int MaxWrite { get; }

    /// <summary>Goes on with what an earlier process agreed on; the first request does not come again.</summary>
    /// <param name="settled">The body of the answer to the first request; empty where that is not known.</param>
    void Restore(ReadOnlySpan<byte> settled);

    /// <summary>Answers the first request.</summary>
    Errno Init(ref FuseRequest request, ReplyBuffer reply);

    /// <summary>Learns that the filesystem is ready too: requests may be served once the first is answered.</summary>
    void Done();

    /// <summary>Learns that the first request cannot be answered.</summary>
    /// <returns>The error that the kernel is given.</returns>
    Errno Refuse();
}

internal enum NegotiationState
{
    Pending,
    Agreed,
    Done,
    Refused,
}
