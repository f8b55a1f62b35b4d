using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// One open file description. All methods are called by several FUSE threads at once and must not block;
/// <see cref="Release"/> is called once, last, though others may still be running.
/// </summary>
internal abstract class OpenFile
{
    /// <summary>How the kernel is to treat it.</summary>
    public abstract FuseOpenFlags Flags { get; }

    /// <summary>
    /// Whether what is written to it is an order to the daemon, and no TPM's, whose commands may be secrets.
    /// </summary>
    public virtual bool TakesOrders => false;

    /// <summary>Gets the number of the conversation that it leads; 0 where it leads none.</summary>
    public virtual ulong Conversation => 0;

    /// <summary>Gets what the next daemon finds of it; null before it has a number.</summary>
    public OpenRecord? Record { get; private set; }

    /// <summary>
    /// Gives the file its record, before any other call: a file of an earlier daemon finds there what it was at.
    /// </summary>
    public virtual void Attach(OpenRecord record) => Record = record;

    /// <summary>Completes the reply, fails it, or keeps it.</summary>
    public virtual void Read(in FuseReadArguments arguments, FuseReadReply reply) => reply.Fail(Errno.EINVAL);

    public virtual Errno Write(in FuseWriteArguments arguments, ReadOnlySpan<byte> data, out int written)
    {
        written = 0;
        return Errno.EINVAL;
    }

    /// <summary>
    /// Has the thread that took a write, once the answer to the write is out; see <see cref="FuseFileSystem.Lend"/>.
    /// </summary>
    public virtual WriteProgress Lend() => WriteProgress.Nothing;

    /// <summary>Returns that the file is ready, as a regular file always is.</summary>
    public virtual PollEvents Poll(PollId? notify, PollEvents wanted) =>
        PollEvents.In | PollEvents.ReadNormal | PollEvents.Out | PollEvents.WriteNormal;

    public virtual void Release()
    {
    }
}
