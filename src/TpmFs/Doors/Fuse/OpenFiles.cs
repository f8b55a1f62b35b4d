using System.Collections.Concurrent;
using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>The open files of one connection with the kernel, by the numbers that it names them by. Any thread.</summary>
internal sealed class OpenFiles
{
    private readonly ConcurrentDictionary<OpenId, OpenFile> _files = new();
    private ulong _lastOpen;

    /// <summary>Gets how many there are.</summary>
    public int Count => _files.Count;

    /// <summary>Gives an open file a number.</summary>
    /// <returns>What OPEN answers.</returns>
    public FuseOpened Add(OpenFile file)
    {
        var id = new OpenId(Interlocked.Increment(ref _lastOpen));
        _files[id] = file;
        return new FuseOpened(id, file.Flags);
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
            reply.Fail(Errno.EBADF);
        }
    }

    /// <param name="isOrder">True when what is written is an order to the daemon: <see cref="OpenFile.TakesOrders"/>.
    /// </param>
    public Errno Write(
        OpenId open, in FuseWriteArguments arguments, ReadOnlySpan<byte> data, out int written, out bool isOrder)
    {
        bool isOpen = _files.TryGetValue(open, out OpenFile? file);
        isOrder = isOpen && file!.TakesOrders;
        written = 0;
        return isOpen ? file!.Write(arguments, data, out written) : Errno.EBADF;
    }

    public WriteProgress Lend(OpenId open) =>
        _files.TryGetValue(open, out OpenFile? file) ? file.Lend() : WriteProgress.Nothing;

    public PollEvents Poll(OpenId open, PollId? notify, PollEvents wanted) =>
        _files.TryGetValue(open, out OpenFile? file) ? file.Poll(notify, wanted) : PollEvents.Err;

    public void Release(OpenId open)
    {
        if (_files.TryRemove(open, out OpenFile? file))
        {
            file.Release();
        }
    }

    /// <summary>Releases all: a connection that has ended sends no RELEASE for what is still open.</summary>
    public void ReleaseAll()
    {
        foreach (OpenId open in _files.Keys)
        {
            Release(open);
        }
    }
}
