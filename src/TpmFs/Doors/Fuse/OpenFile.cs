using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// One open file description. All methods are called by several FUSE threads at once and must not block;
/// <see cref="Release"/> is called once, last, though others may still be running.
/// </summary>
internal abstract class OpenFile
{
    /// <summary>Gets the FOPEN_* flags that the kernel gets for the file.</summary>
    public abstract FuseOpenFlags Flags { get; }

    /// <summary>
    /// True when a write to the file is an order to the daemon. False when it is a TPM's command, which may hold
    /// secrets.
    /// </summary>
    public virtual bool TakesOrders => false;

    /// <summary>Gets the number of the file's conversation; 0 where it has none.</summary>
    public virtual ulong Conversation => 0;

    /// <summary>Gets the file's record for the next daemon; null before the file has a number.</summary>
    public OpenRecord? Record { get; private set; }

    /// <summary>
    /// Gives the file its record, before any other call. A file of an earlier daemon finds its state there.
    /// </summary>
    public virtual void Attach(OpenRecord record) => Record = record;

    /// <summary>Reads: completes the reply, fails it, or keeps it.</summary>
    public virtual void Read(in FuseReadArguments arguments, FuseReadReply reply) => reply.Fail(Errno.EINVAL);

    public virtual Errno Write(in FuseWriteArguments arguments, ReadOnlySpan<byte> data, out int written)
    {
        written = 0;
        return Errno.EINVAL;
    }

    /// <summary>
    /// Lends the file the thread that took a write, once the answer to the write is out; see
    /// <see cref="FuseFileSystem.Lend"/>.
    /// </summary>
    public virtual FuseLendResult Lend() => FuseLendResult.Nothing;

    /// <summary>Returns that the file is ready, as a regular file always is.</summary>
    public virtual PollEvents Poll(PollId? notify, PollEvents wanted) =>
        PollEvents.In | PollEvents.ReadNormal | PollEvents.Out | PollEvents.WriteNormal;

    public virtual void Release()
    {
    }
}
