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
    private readonly ConcurrentDictionary<NodeId, Node> nodes = new();
    private readonly HashSet<NodeId> unlinked = [];
    private readonly Lock gate = new();
    private ulong last;

    public DateTimeOffset Now => time.GetUtcNow();

    public int Count => nodes.Count;

    /// <summary>The next number; the first is FUSE_ROOT_ID, so the root is made first.</summary>
    public NodeId Allocate() => new(Interlocked.Increment(ref last));

    public bool TryGet(NodeId id, [NotNullWhen(true)] out Node? node) => nodes.TryGetValue(id, out node);

    /// <summary>The node is in the tree now.</summary>
    public void Link(Node node) => nodes[node.Id] = node;

    /// <summary>The node is out of the tree; it stays known until the kernel has forgotten it.</summary>
    public void Unlink(Node node)
    {
        lock (gate)
        {
            unlinked.Add(node.Id);
            DropIfUnused(node);
        }
    }

    /// <summary>Counts one lookup. False when the node was removed, and forgotten, in the meantime.</summary>
    public bool TryLookup(Node node)
    {
        lock (gate)
        {
            if (!nodes.ContainsKey(node.Id))
            {
                return false;
            }

            node.Lookups++;
            return true;
        }
    }

    public void Forget(NodeId id, ulong lookups)
    {
        lock (gate)
        {
            if (nodes.TryGetValue(id, out var node))
            {
                node.Lookups -= Math.Min(lookups, node.Lookups);
                DropIfUnused(node);
            }
        }
    }

    private void DropIfUnused(Node node)
    {
        if (node.Lookups == 0 && unlinked.Remove(node.Id))
        {
            nodes.TryRemove(node.Id, out _);
        }
    }
}
