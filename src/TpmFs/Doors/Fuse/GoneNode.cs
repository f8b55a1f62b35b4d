using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Doors.Fuse;

/// <summary>Stands for a node that an earlier daemon had, and that is not in the tree any more.</summary>
internal sealed class GoneNode(NodeTable table, NodeType type, NodeId number)
    : Node(table, NodeAccess.Fixed(mode: 0, uid: 0, gid: 0), number)
{
    public override NodeType Type => type;

    public override Errno Find(in FuseCaller caller, ReadOnlySpan<byte> name, out Node? child)
    {
        child = null;
        return Errno.ENODEV;
    }

    public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = null;
        return Errno.ENODEV;
    }
}

/// <summary>Stands for an open file that an earlier daemon had, and that cannot be opened again.</summary>
internal sealed class GoneFile : OpenFile
{
    public override FuseOpenFlags Flags => FuseOpenFlags.DirectIo;

    public override void Read(in FuseReadArguments arguments, FuseReadReply reply) => reply.Fail(Errno.ENODEV);

    public override Errno Write(in FuseWriteArguments arguments, ReadOnlySpan<byte> data, out int written)
    {
        written = 0;
        return Errno.ENODEV;
    }

    public override PollEvents Poll(PollId? notify, PollEvents wanted) => PollEvents.Err | PollEvents.Hup;
}
