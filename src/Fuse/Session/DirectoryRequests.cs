using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>Requests about open directories.</summary>
internal static class DirectoryRequests
{
    public static Errno Open(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseOpenIn open))
        {
            return request.Malformed();
        }

        Errno error = fileSystem.OpenDirectory(request.Caller, request.Node, open.Flags, out FuseOpened opened);
        if (!error.IsError)
        {
            reply.Put(new FuseOpenOut(opened.Open.Value, opened.Flags, Padding: 0));
        }

        return error;
    }

    public static Errno Read(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseReadIn read))
        {
            return request.Malformed();
        }

        reply.Entries.Start(read.Size);
        Errno error =
            fileSystem.ReadDirectory(request.Caller, request.Node, new OpenId(read.Fh), read.Offset, reply.Entries);

        // Entries that were taken are given; the error comes again at the next call.
        return reply.Length > 0 ? Errno.None : error;
    }

    public static Errno Release(FuseFileSystem fileSystem, ref FuseRequest request)
    {
        if (!request.Body.TryRead(out FuseReleaseIn release))
        {
            return request.Malformed();
        }

        fileSystem.ReleaseDirectory(request.Node, new OpenId(release.Fh));
        return Errno.None;
    }
}
