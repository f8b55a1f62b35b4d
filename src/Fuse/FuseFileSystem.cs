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
    /// <returns><see cref="FuseLendResult.Again"/> to be lent a thread once more for this write.</returns>
    public virtual FuseLendResult Lend(NodeId node, OpenId open) => FuseLendResult.Nothing;

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
