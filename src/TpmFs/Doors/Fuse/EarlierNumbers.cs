using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>Finds the nodes again for which the kernel had numbers in an earlier daemon.</summary>
internal sealed class EarlierNumbers
{
    /// <summary>More than the number of directories above any node.</summary>
    private const int MaxDepth = 16;

    private readonly Dictionary<NodeId, NumberRecord> _records;
    private readonly Node _root;

    public EarlierNumbers(List<NumberRecord> records, Node root)
    {
        _root = root;
        _records = records.ToDictionary(record => record.Number);
        Nodes = records.ConvertAll(record => (record, NodeOf(record, MaxDepth)));
    }

    /// <summary>Gets each number with its node; null where the node is not in the tree any more.</summary>
    public IReadOnlyList<(NumberRecord Number, Node? Node)> Nodes { get; }

    private Node? NodeOf(NumberRecord record, int depth)
    {
        if (depth == 0 || record.IsGone || DirectoryOf(record.Parent, depth - 1) is not { } directory
            || !directory.TryFind(record.Name, out Node? named))
        {
            return null;
        }

        Node node = record.IsOwners ? named.OwnersNode : named;
        return node.Type == record.Type ? node : null;
    }

    private DirectoryNode? DirectoryOf(NodeId number, int depth) =>
        (number == NodeId.Root ? _root
            : _records.TryGetValue(number, out NumberRecord? record) ? NodeOf(record, depth) : null) as DirectoryNode;
}
