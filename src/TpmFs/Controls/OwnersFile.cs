using TpmFs.Domains;
using TpmFs.Fuse;
using TpmFs.Nodes;

namespace TpmFs.Controls;

/// <summary>
/// A private control file of a domain: root's, and let in is whoever owns the domain's directory at that moment. To the owner it shows as their own,
/// so that the kernel's check of permissions lets them through to the one here; to all others it is root's.
/// </summary>
internal abstract class OwnersFile(NodeTable table, Access root, Node directory) : ControlFile(table, Private, root)
{
    public override FuseAttributes AttributesFor(in FuseCaller caller) =>
        caller.Uid == directory.Access.Uid ? Show(Access with { Uid = caller.Uid }) : Attributes;

    public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = null;
        return caller.Uid == 0 || caller.Uid == Access.Uid || caller.Uid == directory.Access.Uid ? base.Open(caller, flags, out file) : Errno.EACCES;
    }
}
