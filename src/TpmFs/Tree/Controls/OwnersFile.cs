using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Tree.Controls;

/// <summary>
/// A private control file of a domain: root's, and also open to the present owner of the domain's directory. The owner
/// finds another node under its name, which shows as their own, so that the kernel's check of permissions lets them
/// through; all others find root's.
/// </summary>
/// <remarks>
/// These are two nodes and not two views of one: the kernel has one owner for each node, so the user who looked last
/// would decide for all others.
/// </remarks>
internal abstract class OwnersFile : ControlFile
{
    private readonly NodeTable _table;
    private readonly Node _directory;
    private readonly NodeOfOwner _ownersNode;

    protected OwnersFile(NodeTable table, ControlContext context, Node directory)
        : base(table, Private, context)
    {
        _table = table;
        _directory = directory;
        _ownersNode = new NodeOfOwner(table, this);
        table.Link(_ownersNode);
    }

    internal override Node OwnersNode => _ownersNode;

    public override Node VisibleTo(in FuseCaller caller) =>
        caller.Uid != Access.Uid && caller.Uid == _directory.Access.Uid ? _ownersNode : this;

    public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = null;
        return MayUse(caller.Uid) ? base.Open(caller, flags, out file) : Errno.EACCES;
    }

    public override bool MayUse(uint uid) => uid == 0 || uid == Access.Uid || uid == _directory.Access.Uid;

    public override void Removed()
    {
        base.Removed();
        _table.Unlink(_ownersNode);
    }

    /// <summary>The file as the directory's owner finds it.</summary>
    private sealed class NodeOfOwner(NodeTable table, OwnersFile file) : Node(table, new OwnersAccess(file))
    {
        public override NodeType Type => file.Type;

        public override string Place => file.Place;

        internal override Node Named => file;

        public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? opened) =>
            file.Open(caller, flags, out opened);
    }

    private sealed class OwnersAccess(OwnersFile file) : NodeAccess
    {
        public override Access Current => file.Access with { Uid = file._directory.Access.Uid };

        public override Errno Change(Func<Access, Access> change) => Errno.EPERM;
    }
}
