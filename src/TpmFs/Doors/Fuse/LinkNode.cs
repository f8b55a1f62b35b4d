using System.Text;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Doors.Fuse;

/// <summary>A symbolic link that leads everybody to the same place.</summary>
internal sealed class LinkNode(NodeTable table, Access root, string target) : Node(table, LinkAccess(root))
{
    public override NodeType Type => NodeType.SymbolicLink;

    /// <summary>The permissions that links show (symlink(7)). They are never checked.</summary>
    public static NodeAccess LinkAccess(Access root) => NodeAccess.Fixed(Access.Permissions, root.Uid, root.Gid);

    public override Errno ReadLink(in FuseCaller caller, FuseBytesReply reply)
    {
        reply.Set(Encoding.ASCII.GetBytes(target));
        return Errno.None;
    }
}
