using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>Requests about nodes and their names.</summary>
internal static class NodeRequests
{
    public static Errno Lookup(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryReadComponent(out ReadOnlySpan<byte> name))
        {
            return request.Malformed();
        }

        Errno error = fileSystem.Lookup(request.Caller, request.Node, name, out FuseEntry entry);
        return PutEntry(error, entry, reply);
    }

    public static Errno Forget(FuseFileSystem fileSystem, ref FuseRequest request)
    {
        if (!request.Body.TryRead(out FuseForgetIn forget))
        {
            return request.Malformed();
        }

        fileSystem.Forget(request.Node, forget.NLookup);
        return Errno.None;
    }

    public static Errno BatchForget(FuseFileSystem fileSystem, ref FuseRequest request)
    {
        if (!request.Body.TryRead(out FuseBatchForgetIn batch))
        {
            return request.Malformed();
        }

        for (uint i = 0; i < batch.Count; i++)
        {
            if (!request.Body.TryRead(out FuseForgetOne one))
            {
                return request.Malformed();
            }

            fileSystem.Forget(new NodeId(one.NodeId), one.NLookup);
        }

        return Errno.None;
    }

    public static Errno GetAttributes(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseGetAttrIn get))
        {
            return request.Malformed();
        }

        OpenId? open = get.GetAttrFlags.HasFlag(FuseGetAttrFlags.Fh) ? new OpenId(get.Fh) : null;
        Errno error = fileSystem.GetAttributes(request.Caller, request.Node, open, out FuseAttributes attributes);
        return PutAttributes(error, attributes, reply);
    }

    public static Errno SetAttributes(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseSetAttrIn set))
        {
            return request.Malformed();
        }

        Errno error =
            fileSystem.SetAttributes(request.Caller, request.Node, set.ToChange(), out FuseAttributes attributes);
        return PutAttributes(error, attributes, reply);
    }

    public static Errno Access(FuseFileSystem fileSystem, ref FuseRequest request) =>
        request.Body.TryRead(out FuseAccessIn access)
            ? fileSystem.Access(request.Caller, request.Node, access.Mask)
            : request.Malformed();

    public static Errno ReadLink(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        // PATH_MAX of linux/limits.h, less the NUL that the kernel adds.
        const int MaxTarget = 4095;
        Errno error = fileSystem.ReadLink(request.Caller, request.Node, reply);
        return !error.IsError && reply.Length > MaxTarget ? Errno.ENAMETOOLONG : error;
    }

    public static Errno MakeDirectory(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseMkDirIn make) || !request.Body.TryReadComponent(out ReadOnlySpan<byte> name))
        {
            return request.Malformed();
        }

        Errno error = fileSystem.MakeDirectory(request.Caller, request.Node, name, make.Mode, out FuseEntry entry);
        return PutEntry(error, entry, reply);
    }

    public static Errno RemoveDirectory(FuseFileSystem fileSystem, ref FuseRequest request) =>
        request.Body.TryReadComponent(out ReadOnlySpan<byte> name)
            ? fileSystem.RemoveDirectory(request.Caller, request.Node, name)
            : request.Malformed();

    public static Errno StatFs(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        Errno error = fileSystem.StatFs(request.Caller, request.Node, out FuseStatFs stat);
        if (!error.IsError)
        {
            reply.Put(new FuseStatFsOut(
                stat.Blocks, stat.BlocksFree, stat.BlocksFree, stat.Files, stat.FilesFree, stat.BlockSize,
                stat.NameLength,
                stat.BlockSize, Padding: 0, default));
        }

        return error;
    }

    private static Errno PutEntry(Errno error, in FuseEntry entry, ReplyBuffer reply)
    {
        if (!error.IsError)
        {
            reply.Put(entry.ToWire());
        }

        return error;
    }

    private static Errno PutAttributes(Errno error, in FuseAttributes attributes, ReplyBuffer reply)
    {
        if (!error.IsError)
        {
            reply.Put(new FuseAttrOut(AttrValid: 0, AttrValidNsec: 0, Dummy: 0, attributes.ToWire()));
        }

        return error;
    }
}
