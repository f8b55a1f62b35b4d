using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using TpmFs.Fuse;

namespace TpmFs.Nodes;

/// <summary>
/// The nodes that the kernel may name: those in the tree, and those removed from it that the kernel still holds. Numbers are never reused.
/// </summary>
/// <remarks>The lock owns every node's lookup count and is held for a few instructions; nothing is called under it.</remarks>
internal sealed class NodeTable(TimeProvider time)
{
    private readonly ConcurrentDictionary<NodeId, Node> _nodes = new();
    private readonly HashSet<NodeId> _unlinked = [];
    private readonly Lock _gate = new();
    private ulong _last;

    public DateTimeOffset Now => time.GetUtcNow();

    public int Count => _nodes.Count;

    /// <summary>The next number; the first is FUSE_ROOT_ID, so the root is made first.</summary>
    public NodeId Allocate() => new(Interlocked.Increment(ref _last));

    public bool TryGet(NodeId id, [NotNullWhen(true)] out Node? node) => _nodes.TryGetValue(id, out node);

    /// <summary>The node is in the tree now.</summary>
    public void Link(Node node) => _nodes[node.Id] = node;

    /// <summary>The node is out of the tree; it stays known until the kernel has forgotten it.</summary>
    public void Unlink(Node node)
    {
        lock (_gate)
        {
            _unlinked.Add(node.Id);
            DropIfUnused(node);
        }
    }

    /// <summary>Counts one lookup. False when the node was removed, and forgotten, in the meantime.</summary>
    public bool TryLookup(Node node)
    {
        lock (_gate)
        {
            if (!_nodes.ContainsKey(node.Id))
            {
                return false;
            }

            node.Lookups++;
            return true;
        }
    }

    public void Forget(NodeId id, ulong lookups)
    {
        lock (_gate)
        {
            if (_nodes.TryGetValue(id, out Node? node))
            {
                node.Lookups -= Math.Min(lookups, node.Lookups);
                DropIfUnused(node);
            }
        }
    }

    private void DropIfUnused(Node node)
    {
        if (node.Lookups == 0 && _unlinked.Remove(node.Id))
        {
            _nodes.TryRemove(node.Id, out _);
        }
    }
}
