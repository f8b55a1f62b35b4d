namespace TpmFs.Fuse;

/// <summary>The part of a file that a READ asks for.</summary>
/// <param name="Offset">The first byte to read, counted from the start of the file.</param>
/// <param name="Size">The most to read, in bytes.</param>
/// <param name="Flags">The descriptor's flags, as set now (O_NONBLOCK).</param>
/// <param name="FillsPageCache">
/// True when the kernel wants a page of its cache filled (mmap, readahead, splice, sendfile); it holds that page's lock
/// until the answer. False for read(2) and its like on a file that is open with <see cref="FuseOpenFlags.DirectIo"/>.
/// </param>
public readonly record struct FuseReadArguments(ulong Offset, int Size, uint Flags, bool FillsPageCache = false)
{
    /// <summary>
    /// Gets the note of an earlier process's filesystem on this read; the default where it left none.
    /// </summary>
    public FuseReadNote Noted { get; init; }
}

/// <summary>
/// Notes for a read, by which the filesystem finds it again when another process goes on with the connection
/// (<see cref="FuseReadReply.Note"/>).
/// </summary>
/// <param name="Turn">The number of the answer that the read waits for, or gets.</param>
/// <param name="Source">The number by which the filesystem finds the bytes that the read gets.</param>
/// <param name="Start">The first of these bytes.</param>
/// <param name="Count">
/// The number of bytes that the read gets; a negated errno where it gets an error; 0 where it gets none.
/// </param>
public readonly record struct FuseReadNote(ulong Turn, ulong Source, int Start, int Count);

/// <summary>
/// The part of a file that a WRITE changes: its offset in bytes. <paramref name="Flags"/> are the descriptor's, as set
/// now (O_NONBLOCK).
/// </summary>
public readonly record struct FuseWriteArguments(ulong Offset, uint Flags)
{
    /// <summary>Gets the request's identity.</summary>
    public FuseRequestId Request { get; init; }
}

/// <summary>The counts that statfs(2) shows, of blocks of <paramref name="BlockSize"/> bytes and of files.</summary>
public readonly record struct FuseStatFs(
    ulong Blocks, ulong BlocksFree, ulong Files, ulong FilesFree, uint BlockSize, uint NameLength);
