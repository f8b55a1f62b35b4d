namespace TpmFs.Fuse;

/// <summary>
/// Takes an answer that is a run of bytes (READLINK, GETXATTR, LISTXATTR), within the handler's call only.
/// </summary>
public abstract class FuseBytesReply
{
    /// <summary>
    /// Sets the whole answer. The session deals with ERANGE and with calls that only ask for the size.
    /// </summary>
    public abstract void Set(ReadOnlySpan<byte> bytes);
}

/// <summary>Takes the entries of a directory, within the handler's call only.</summary>
public abstract class FuseDirectoryReply
{
    /// <summary>
    /// Adds one entry; the listing goes on after it at <paramref name="nextOffset"/>. Returns false when the entry did
    /// not fit and was not taken.
    /// </summary>
    public abstract bool Add(ReadOnlySpan<byte> name, ulong nextOffset, in FuseAttributes attributes);
}
