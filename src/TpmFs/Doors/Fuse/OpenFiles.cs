using System.Collections.Concurrent;
using TpmFs.Clients;
using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// Holds the open files of one connection with the kernel, by the kernel's numbers for them. A number that leads
/// nowhere is of an earlier daemon whose records cannot be read: ENODEV. Any thread.
/// </summary>
/// <param name="records">The records for the next daemon.</param>
/// <param name="connection">The connection; 0 is the mount's.</param>
internal sealed class OpenFiles(OpenRecords records, uint connection)
{
    private readonly ConcurrentDictionary<OpenId, OpenFile> _files = new();
    // By the requests that opened them, while requests are repeated.
    private readonly Dictionary<ulong, OpenId> _earlier = [];

    /// <summary>Gets the number of open files.</summary>
    public int Count => _files.Count;

    /// <summary>Gives an open file a number.</summary>
    /// <param name="file">The file.</param>
    /// <param name="node">The number by which the kernel opens it.</param>
    /// <param name="opener">The caller.</param>
    /// <param name="flags">The flags of open(2).</param>
    /// <returns>The answer to OPEN.</returns>
    public FuseOpened Add(OpenFile file, NodeId node, in FuseCaller opener, uint flags)
    {
        file.Attach(records.Begin(connection, node, opener, flags, file.Conversation));
        OpenId id = file.Record!.Open;
        _files[id] = file;
        return new FuseOpened(id, file.Flags);
    }

    /// <summary>Opens the files again that were open in an earlier daemon.</summary>
    /// <param name="conversations">
    /// The conversations that went on, by their numbers; those that are used are taken out.
    /// </param>
    /// <param name="notifier">Wakes the clients that poll.</param>
    /// <param name="reopen">Opens a file again that leads no conversation.</param>
    /// <returns>
    /// The number of files without a conversation that are open again, and the number of those that cannot be opened
    /// again.
    /// </returns>
    public (int Others, int Gone) Resume(
        Dictionary<ulong, Conversation> conversations, IFuseNotifier notifier, Func<OpenRecord, OpenFile> reopen)
    {
        (int others, int gone) = (0, 0);
        foreach (OpenRecord record in records.EarlierOf(connection))
        {
            OpenFile file = record.Conversation == 0 ? reopen(record)
                : conversations.Remove(record.Conversation, out Conversation? conversation)
                    ? new TpmFile(conversation, notifier) : new GoneFile();
            gone += file is GoneFile ? 1 : 0;
            others += file.Conversation == 0 && file is not GoneFile ? 1 : 0;
            file.Attach(record);
            _files[record.Open] = file;
            _earlier[record.Opener.Request.Unique] = record.Open;
        }

        return (others, gone);
    }

    /// <summary>Finds the file that an earlier daemon has opened for a request that is repeated.</summary>
    public bool TryFindEarlier(FuseRequestId request, out FuseOpened opened)
    {
        bool isThere = request.IsRepeated && _earlier.TryGetValue(request.Unique, out _);
        opened = isThere
            ? new FuseOpened(_earlier[request.Unique], _files[_earlier[request.Unique]].Flags) : default;
        return isThere;
    }

    /// <summary>
    /// Learns that no request is repeated any more. Wakes all clients that poll: what they wait for may have happened
    /// while no daemon served. A client that is woken for nothing polls again.
    /// </summary>
    public void EndResume(IFuseNotifier notifier)
    {
        _earlier.Clear();
        foreach (OpenFile file in _files.Values)
        {
            if (file.Record?.Poll is { } poll)
            {
                notifier.NotifyPoll(poll, file as IFusePolled);
            }
        }
    }

    public void Read(OpenId open, in FuseReadArguments arguments, FuseReadReply reply)
    {
        if (arguments.FillsPageCache)
        {
            // A page stays locked until its READ is answered, and what a page holds could be read twice.
            reply.Fail(Errno.EINVAL);
        }
        else if (_files.TryGetValue(open, out OpenFile? file))
        {
            file.Read(arguments, reply);
        }
        else
        {
            reply.Fail(Errno.ENODEV);
        }
    }

    /// <param name="orderedBy">
    /// The user who opened the file, where what is written is an order to the daemon
    /// (<see cref="OpenFile.TakesOrders"/>); else null. A set-user-ID program may write the order to a file that its
    /// caller has opened.
    /// </param>
    public Errno Write(
        OpenId open, in FuseWriteArguments arguments, ReadOnlySpan<byte> data, out int written, out uint? orderedBy)
    {
        bool isOpen = _files.TryGetValue(open, out OpenFile? file);
        orderedBy = isOpen && file!.TakesOrders ? file.Record!.Opener.Uid : null;
        written = 0;
        return isOpen ? file!.Write(arguments, data, out written) : Errno.ENODEV;
    }

    public FuseLendResult Lend(OpenId open) =>
        _files.TryGetValue(open, out OpenFile? file) ? file.Lend() : FuseLendResult.Nothing;

    public PollEvents Poll(OpenId open, PollId? notify, PollEvents wanted)
    {
        if (!_files.TryGetValue(open, out OpenFile? file))
        {
            return PollEvents.Err | PollEvents.Hup;
        }

        if (notify is not null)
        {
            file.Record!.Poll = notify;
        }

        return file.Poll(notify, wanted);
    }

    public void Release(OpenId open)
    {
        if (_files.TryRemove(open, out OpenFile? file))
        {
            file.Record!.Remove();
            file.Release();
        }
    }

    /// <summary>Releases all open files: a connection that has ended sends no RELEASE for them.</summary>
    public void ReleaseAll()
    {
        foreach (OpenId open in _files.Keys)
        {
            Release(open);
        }
    }
}
