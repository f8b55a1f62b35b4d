using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Tree;

/// <summary>locality/N: a lookup finds it only once a TPM is known whose locality N can be set.</summary>
internal sealed class LocalityDirectory(
    NodeTable table, NodeAccess access, DirectoryNode parent, IReadOnlyList<TpmPort> tpms, byte locality)
    : DirectoryNode(table, access, parent)
{
    public bool IsThere => tpms.Any(tpm => tpm.Has(locality));

    public override Node? VisibleTo(in FuseCaller caller) => IsThere ? this : null;
}

/// <summary>locality/, which counts only those of its directories that a lookup finds.</summary>
internal sealed class LocalitiesDirectory(NodeTable table, NodeAccess access, DirectoryNode parent)
    : DirectoryNode(table, access, parent)
{
    protected override uint LinkCount =>
        2 + (uint)Children.OfType<LocalityDirectory>().Count(locality => locality.IsThere);
}
