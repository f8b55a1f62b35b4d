namespace TpmFs.Fuse;

/// <summary>
/// Answers the kernel's requests for a filesystem. There is one method for each operation; the session parses the
/// request, calls the method, and writes the reply.
/// </summary>
/// <remarks>
/// Every method runs on one of the session's threads, several at once, must not block (except <see cref="Lend"/>), and
/// must not keep a span past its return. A method that is not overridden answers as a filesystem without that operation
/// should; it answers ENOSYS only where the kernel takes that as "never ask again" and that is wanted. An exception is
/// logged and answered with EIO.
/// </remarks>
public abstract class FuseFileSystem
{
    /// <summary>
    /// Begins the use of the notifier: the session is initialised. Called just before INIT is answered, hence before
    /// every other request.
    /// </summary>
    public virtual void Started(IFuseNotifier notifier)
    {
    }

    /// <summary>
    /// Learns that the requests which an earlier process left unfinished were served again; from now on new ones come.
    /// Called once, after <see cref="Started"/>, where there was such a process.
    /// </summary>
    public virtual void Resumed()
    {
    }

    /// <summary>
    /// Finds <paramref name="name"/> in a directory. Success counts one lookup of <see cref="FuseEntry.Node"/>, which
    /// FORGET takes back.
    /// </summary>
    public abstract Errno Lookup(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, out FuseEntry entry);

    /// <summary>Takes back <paramref name="lookups"/> lookups of a node (FORGET).</summary>
    public virtual void Forget(NodeId node, ulong lookups)
    {
    }

    public abstract Errno GetAttributes(in FuseCaller caller, NodeId node, OpenId? open, out FuseAttributes attributes);

    /// <summary>
    /// Answers access(2). Called only for filesystems mounted without default_permissions. <paramref name="mask"/>
    /// holds R_OK 4, W_OK 2, X_OK 1.
    /// </summary>
    public virtual Errno Access(in FuseCaller caller, NodeId node, uint mask) => Errno.None;

    public virtual Errno SetAttributes(
        in FuseCaller caller, NodeId node, in FuseAttributeChange change, out FuseAttributes attributes)
    {
        attributes = default;
        return Errno.EPERM;
    }

    /// <summary>Returns the target of a symbolic link, the same for every caller.</summary>
    public virtual Errno ReadLink(in FuseCaller caller, NodeId node, FuseBytesReply target) => Errno.EINVAL;

    /// <summary>Makes a directory. <paramref name="mode"/> is the argument of mkdir(2), less the umask.</summary>
    public virtual Errno MakeDirectory(
        in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, uint mode, out FuseEntry entry)
    {
        entry = default;
        return Errno.EPERM;
    }

    public virtual Errno RemoveDirectory(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name) => Errno.EPERM;

    /// <summary>Opens a file. <paramref name="flags"/> are open(2)'s.</summary>
    public virtual Errno Open(in FuseCaller caller, NodeId node, uint flags, out FuseOpened opened)
    {
        opened = default;
        return Errno.EACCES;
    }

    /// <summary>
    /// Reads. The reply may be completed now, or kept (<see cref="FuseReadReply.Keep"/>) and completed later from any
    /// thread. A reply that is neither completed nor kept when this returns is answered with EIO and logged.
    /// </summary>
    public virtual void Read(
        in FuseCaller caller, NodeId node, OpenId open, in FuseReadArguments arguments, FuseReadReply reply) =>
            reply.Fail(Errno.EINVAL);

    /// <summary>Writes. <paramref name="written"/> is the result of write(2), in bytes.</summary>
    public virtual Errno Write(
        in FuseCaller caller, NodeId node, OpenId open, in FuseWriteArguments arguments, ReadOnlySpan<byte> data,
        out int written)
    {
        written = 0;
        return Errno.EINVAL;
    }

    /// <summary>
    /// Lends the filesystem the thread that took a write, once the answer to the write is out. The filesystem may carry
    /// out on it what the write began. This is the one method that may block, as long as it does so for one thread at a
    /// time, while the session has others for further requests: one takes over within 10 ms, or beforehand where the
    /// last three such calls took more than 0.5 ms each.
    /// </summary>
    /// <returns>What was done; <see cref="WriteProgress.Again"/> to be called once more for this write.</returns>
    public virtual WriteProgress Lend(NodeId node, OpenId open) => WriteProgress.Nothing;

    /// <summary>
    /// Tells which events are ready now. When <paramref name="notify"/> is not null, the kernel wants FUSE_NOTIFY_POLL
    /// for it as soon as the answer changes.
    /// </summary>
    public virtual Errno Poll(
        in FuseCaller caller, NodeId node, OpenId open, PollId? notify, PollEvents wanted, out PollEvents ready)
    {
        ready = PollEvents.In | PollEvents.ReadNormal | PollEvents.Out | PollEvents.WriteNormal;
        return Errno.None;
    }

    /// <summary>
    /// Learns that a descriptor of the open file description was closed (not the last one, necessarily).
    /// </summary>
    public virtual Errno Flush(in FuseCaller caller, NodeId node, OpenId open) => Errno.None;

    /// <summary>Answers fsync(2) and fdatasync(2), of files and directories.</summary>
    public virtual Errno Sync(in FuseCaller caller, NodeId node, OpenId open) => Errno.None;

    /// <summary>Learns that the last descriptor is closed: <paramref name="open"/> will not be named again.</summary>
    public virtual void Release(NodeId node, OpenId open)
    {
    }

    public virtual Errno OpenDirectory(in FuseCaller caller, NodeId node, uint flags, out FuseOpened opened)
    {
        opened = default;
        return Errno.ENOTDIR;
    }

    /// <summary>
    /// Lists a directory from <paramref name="offset"/> (0, or the offset given with the last entry that was taken),
    /// until the writer takes no more.
    /// </summary>
    public virtual Errno ReadDirectory(
        in FuseCaller caller, NodeId node, OpenId open, ulong offset, FuseDirectoryReply entries) => Errno.ENOTDIR;

    public virtual void ReleaseDirectory(NodeId node, OpenId open)
    {
    }

    public virtual Errno StatFs(in FuseCaller caller, NodeId node, out FuseStatFs statistics)
    {
        statistics = new FuseStatFs(Blocks: 0, BlocksFree: 0, Files: 0, FilesFree: 0, BlockSize: 4096, NameLength: 255);
        return Errno.None;
    }

    public virtual Errno Ioctl(
        in FuseCaller caller, NodeId node, OpenId open, uint command, ulong argument, ReadOnlySpan<byte> input) =>
            Errno.ENOTTY;

    /// <summary>
    /// Returns the value of an extended attribute. The reply also serves the call that only asks for its size.
    /// </summary>
    public virtual Errno GetXattr(in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name, FuseBytesReply value) =>
        Errno.EOPNOTSUPP;

    /// <summary>Returns the names of the extended attributes, each ended by a NUL.</summary>
    public virtual Errno ListXattr(in FuseCaller caller, NodeId node, FuseBytesReply names) => Errno.None;

    public virtual Errno SetXattr(
        in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags) =>
            Errno.EOPNOTSUPP;

    public virtual Errno RemoveXattr(in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name) => Errno.EOPNOTSUPP;

    /// <summary>
    /// Learns that no more requests come: the kernel said DESTROY, the connection is gone, or the session was stopped.
    /// Called once.
    /// </summary>
    public virtual void Stopped()
    {
    }
}

/// <summary>The part of a file that a READ asks for.</summary>
/// <param name="Offset">Where in the file to read, in bytes.</param>
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
/// <param name="Source">Where the bytes are that it gets.</param>
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

/// <summary>Sends the kernel notifications that it has not asked for. Any thread.</summary>
public interface IFuseNotifier
{
    /// <summary>
    /// Wakes the processes that poll with this id (FUSE_NOTIFY_POLL). An id that the kernel no longer knows is ignored.
    /// </summary>
    void NotifyPoll(PollId poll);
}

/// <summary>
/// The answer to one READ: a token that may be copied, and used from any thread. It names the request by the kernel's
/// own number, which is never used again, so that a late use can hit no other read. The first answer counts. An answer
/// that lost to an interrupt's, or came after the session's end, does nothing; any other second answer is a bug of the
/// filesystem: it does nothing and is logged.
/// </summary>
/// <param name="Replies">Where the answer goes.</param>
/// <param name="Unique">The request's number (<c>unique</c> of fuse_in_header).</param>
public readonly record struct FuseReadReply(IFuseReadReplies Replies, ulong Unique)
{
    /// <summary>
    /// Keeps the read, to be answered later. The session tells <paramref name="owner"/> when the kernel interrupts it;
    /// the owner then answers with <see cref="Fail"/> (EINTR) unless the read has been answered already. Called at most
    /// once, before the handler returns; does nothing for a read that another thread has answered meanwhile.
    /// </summary>
    public void Keep(IFuseInterruptible owner) => Replies.Keep(this, owner);

    /// <summary>
    /// Notes what the read waits for, or which bytes it is about to get, in case that another process has to answer it.
    /// Does nothing for a read that is answered.
    /// </summary>
    public void Note(in FuseReadNote note) => Replies.Note(this, note);

    /// <summary>
    /// Answers with bytes, at most as many as were asked for (more is a bug: EIO and logged). Returns false when nobody
    /// got them: the kernel no longer waits (ENOENT), the read was answered already (an interrupt was faster), or the
    /// session has ended.
    /// </summary>
    public bool Complete(ReadOnlySpan<byte> data) => Replies.Complete(this, data);

    /// <summary>Answers with an error.</summary>
    public void Fail(Errno error) => Replies.Fail(this, error);
}

/// <summary>
/// Takes the answers to reads: the session, or a stand-in for it in a filesystem's own tests. See
/// <see cref="FuseReadReply"/>.
/// </summary>
public interface IFuseReadReplies
{
    void Keep(FuseReadReply reply, IFuseInterruptible owner);

    void Note(FuseReadReply reply, in FuseReadNote note);

    bool Complete(FuseReadReply reply, ReadOnlySpan<byte> data);

    void Fail(FuseReadReply reply, Errno error);
}

/// <summary>Learns when a read that it keeps is interrupted.</summary>
public interface IFuseInterruptible
{
    /// <summary>
    /// Learns that a signal came for the thread that waits in this read. Must not block. Called after the handler has
    /// returned, on a thread of the session, perhaps while another thread answers the read, and perhaps more than once.
    /// </summary>
    void Interrupted(FuseReadReply reply);
}

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
