using TpmFs.Clients;
using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// Serves one connection with the kernel: passes requests about open files to these. A subclass for each kind of
/// connection opens files, and answers all other requests.
/// </summary>
/// <param name="files">The connection's open files.</param>
/// <param name="notifier">Wakes the clients that poll on the connection.</param>
internal abstract class OpenFileSystem(OpenFiles files, PollNotifier notifier) : FuseFileSystem
{
    private volatile bool _closing;

    /// <summary>Gets the number of open files.</summary>
    public int OpenFiles => files.Count;

    protected IFuseNotifier Notifier => notifier;

    /// <summary>Refuses each further open (ENODEV). Files that are open go on.</summary>
    public void RefuseOpens() => _closing = true;

    /// <summary>Opens the files again that were open in an earlier daemon.</summary>
    /// <param name="conversations">
    /// The conversations that went on, by their numbers; those that are used are taken out.
    /// </param>
    /// <returns>
    /// The number of files without a conversation that are open again, and the number of those that cannot be opened
    /// again.
    /// </returns>
    public (int Others, int Gone) Resume(Dictionary<ulong, Conversation> conversations) =>
        files.Resume(conversations, notifier, Reopen);

    public override void Started(IFuseNotifier session) => notifier.Attach(session);

    /// <summary>
    /// Wakes all clients that poll: what they wait for may have happened while no daemon served. A client that is woken
    /// for nothing polls again.
    /// </summary>
    public override void Resumed() => files.EndResume(notifier);

    public sealed override Errno Open(in FuseCaller caller, NodeId node, uint flags, out FuseOpened opened)
    {
        if (files.TryFindEarlier(caller.Request, out opened))
        {
            return Errno.None;
        }

        OpenFile? file = null;
        Errno error = _closing ? Errno.ENODEV : TryOpen(caller, node, flags, out file);
        opened = error.IsError ? default : files.Add(file!, node, caller, flags);
        return error;
    }

    public override void Read(
        in FuseCaller caller, NodeId node, OpenId open, in FuseReadArguments arguments, FuseReadReply reply) =>
        files.Read(open, arguments, reply);

    public override Errno Write(
        in FuseCaller caller, NodeId node, OpenId open, in FuseWriteArguments arguments, ReadOnlySpan<byte> data,
        out int written)
    {
        Errno error = files.Write(open, arguments, data, out written, out uint? orderedBy);
        if (orderedBy is { } uid)
        {
            Ordered(caller with { Uid = uid }, node, data, error);
        }

        return error;
    }

    public override FuseLendResult Lend(NodeId node, OpenId open) => files.Lend(open);

    public override Errno Poll(
        in FuseCaller caller, NodeId node, OpenId open, PollId? notify, PollEvents wanted, out PollEvents ready)
    {
        ready = files.Poll(open, notify, wanted);
        return Errno.None;
    }

    public override void Release(NodeId node, OpenId open) => files.Release(open);

    public override void Stopped()
    {
        RefuseOpens();
        files.ReleaseAll();
    }

    /// <summary>Opens a file; <paramref name="flags"/> are open(2)'s. The kernel has checked the permissions.</summary>
    protected abstract Errno TryOpen(in FuseCaller caller, NodeId node, uint flags, out OpenFile? file);

    /// <summary>Opens a file again that was open in an earlier daemon, and that leads no conversation.</summary>
    protected virtual OpenFile Reopen(OpenRecord record) => new GoneFile();

    /// <summary>Learns that a file took an order to the daemon; see <see cref="OpenFile.TakesOrders"/>.</summary>
    /// <param name="caller">The process that wrote the order, and the user who opened the file.</param>
    /// <param name="node">The file.</param>
    /// <param name="order">What was written.</param>
    /// <param name="error">What came of it.</param>
    protected virtual void Ordered(in FuseCaller caller, NodeId node, ReadOnlySpan<byte> order, Errno error)
    {
    }
}
