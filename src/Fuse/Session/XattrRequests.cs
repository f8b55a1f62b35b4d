using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>
/// Requests about extended attributes. The kernel takes one ENOSYS here for "none on this mount, ever" and then
/// enforces no ACL: so whatever a filesystem answers, that never goes out.
/// </summary>
internal static class XattrRequests
{
    public static Errno Get(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseGetXattrIn get) || !request.Body.TryReadName(out ReadOnlySpan<byte> name))
        {
            return request.Malformed();
        }

        return Put(fileSystem.GetXattr(request.Caller, request.Node, name, reply), get.Size, reply);
    }

    public static Errno List(FuseFileSystem fileSystem, ref FuseRequest request, ReplyBuffer reply)
    {
        if (!request.Body.TryRead(out FuseGetXattrIn list))
        {
            return request.Malformed();
        }

        return Put(fileSystem.ListXattr(request.Caller, request.Node, reply), list.Size, reply);
    }

    public static Errno Set(FuseFileSystem fileSystem, ref FuseRequest request)
    {
        if (!request.Body.TryRead(out FuseSetXattrIn set) || !request.Body.TryReadName(out ReadOnlySpan<byte> name)
            || !request.Body.TryReadBytes(set.Size, out ReadOnlySpan<byte> value))
        {
            return request.Malformed();
        }

        return NeverNoSys(fileSystem.SetXattr(request.Caller, request.Node, name, value, set.Flags));
    }

    public static Errno Remove(FuseFileSystem fileSystem, ref FuseRequest request) =>
        request.Body.TryReadName(out ReadOnlySpan<byte> name)
            ? NeverNoSys(fileSystem.RemoveXattr(request.Caller, request.Node, name))
            : request.Malformed();

    /// <summary>Gives the value, or its size where the kernel asked with a size of 0.</summary>
    private static Errno Put(Errno error, uint wanted, ReplyBuffer reply)
    {
        if (error.IsError)
        {
            return NeverNoSys(error);
        }

        if (reply.Length > ReplyBuffer.Capacity)
        {
            return Errno.E2BIG;
        }

        if (wanted == 0)
        {
            uint size = (uint)reply.Length;
            reply.Clear();
            reply.Put(new FuseGetXattrOut(size, Padding: 0));
            return Errno.None;
        }

        return reply.Length > wanted ? Errno.ERANGE : Errno.None;
    }

    private static Errno NeverNoSys(Errno error) => error == Errno.ENOSYS ? Errno.EOPNOTSUPP : error;
}
