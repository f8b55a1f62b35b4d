using System.Globalization;
using System.Text;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Tree;

/// <summary>self: a link to the directory of the user who asks. A user who has none does not find it.</summary>
internal sealed class SelfLink(NodeTable table, Access root, UsersDirectory users)
    : Node(table, LinkNode.LinkAccess(root))
{
    public override NodeType Type => NodeType.SymbolicLink;

    public override Node? VisibleTo(in FuseCaller caller) => users.Has(caller.Uid) ? this : null;

    public override Errno ReadLink(in FuseCaller caller, FuseBytesReply target)
    {
        if (!users.Has(caller.Uid))
        {
            return Errno.ENOENT;
        }

        target.Set(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"users/{caller.Uid}")));
        return Errno.None;
    }
}
