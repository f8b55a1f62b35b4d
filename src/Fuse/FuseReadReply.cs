namespace TpmFs.Fuse;

/// <summary>
/// The answer to one READ: a token that may be copied, and used from any thread. It names the request by the kernel's
/// own number, which is never used again, so that a late use can hit no other read. The first answer counts. An answer
/// that lost to an interrupt's, or came after the session's end, does nothing; any other second answer is a bug of the
/// filesystem: it does nothing and is logged.
/// </summary>
/// <param name="Replies">Takes the answer.</param>
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
