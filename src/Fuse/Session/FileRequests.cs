using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>Requests about open files, but READ.</summary>
internal static class FileRequests
{
    public static Errno Open(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseOpenIn open))
        {
            return request.Malformed();
        }

        Errno error = fileSystem.Open(request.Caller, request.Node, open.Flags, out FuseOpened opened);
        if (!error.IsError)
        {
            reply.Put(new FuseOpenOut(opened.Open.Value, opened.Flags, Padding: 0));
        }

        return error;
    }

    public static Errno Write(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseWriteIn write)
            || !request.Body.TryReadBytes(write.Size, out ReadOnlySpan<byte> data))
        {
            return request.Malformed();
        }

        var arguments = new FuseWriteArguments(write.Offset, write.Flags) { Request = request.Caller.Request };
        Errno error =
            fileSystem.Write(request.Caller, request.Node, new OpenId(write.Fh), arguments, data, out int written);
        if (!error.IsError)
        {
            request.Written = new WrittenFile(request.Node, new OpenId(write.Fh));
            reply.Put(new FuseWriteOut((uint)written, Padding: 0));
        }

        return error;
    }

    public static Errno Poll(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FusePollIn poll))
        {
            return request.Malformed();
        }

        PollId? notify = (poll.Flags & FusePollFlags.ScheduleNotify) != 0 ? new PollId(poll.Kh) : null;
        Errno error = fileSystem.Poll(
            request.Caller, request.Node, new OpenId(poll.Fh), notify, poll.Events, out PollEvents ready);
        if (!error.IsError)
        {
            reply.Put(new FusePollOut(ready, Padding: 0));
        }

        return error;
    }

    public static Errno Ioctl(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseIoctlIn ioctl)
            || !request.Body.TryReadBytes(ioctl.InSize, out ReadOnlySpan<byte> input))
        {
            return request.Malformed();
        }

        Errno error = fileSystem.Ioctl(request.Caller, request.Node, new OpenId(ioctl.Fh), ioctl.Cmd, ioctl.Arg, input);
        if (!error.IsError)
        {
            reply.Put(new FuseIoctlOut(Result: 0, Flags: 0, InIovs: 0, OutIovs: 0));
        }

        return error;
    }

    public static Errno Flush(FuseFileSystem fileSystem, ref FuseRequest request) =>
        request.Body.TryRead(out FuseFlushIn flush)
            ? fileSystem.Flush(request.Caller, request.Node, new OpenId(flush.Fh))
            : request.Malformed();

    public static Errno Sync(FuseFileSystem fileSystem, ref FuseRequest request) =>
        request.Body.TryRead(out FuseFSyncIn sync)
            ? fileSystem.Sync(request.Caller, request.Node, new OpenId(sync.Fh))
            : request.Malformed();

    public static Errno Release(FuseFileSystem fileSystem, ref FuseRequest request)
    {
        if (!request.Body.TryRead(out FuseReleaseIn release))
        {
            return request.Malformed();
        }

        fileSystem.Release(request.Node, new OpenId(release.Fh));
        return Errno.None;
    }
}
