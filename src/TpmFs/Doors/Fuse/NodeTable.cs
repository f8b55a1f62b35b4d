using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using TpmFs.Fuse;
using TpmFs.Policy;
using TpmFs.Records;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// Maps the numbers that the kernel uses to nodes: those in the tree, and those removed from it that the kernel still
/// holds. Numbers are never reused.
/// </summary>
/// <remarks>
/// The kernel makes one inode for each number, and an inode has locks that a client can hold for as long as it likes.
/// Therefore each lookup of a file gets a number of its own, so that a client shares an inode with nobody but those to
/// whom it hands a descriptor or a bind mount. But each new number ends the kernel's entry for the name, and everybody
/// who is at that name looks it up once more; so the lookups of a user who makes very many share a number that is that
/// user's own, or nobody else would get through. Directories and links keep one number, since a mount below a path
/// stays only where the path's numbers stay. The lock owns all counts, and is held for a few instructions.
/// </remarks>
/// <param name="time">The clock.</param>
/// <param name="records">The records of the kernel's numbers for the next daemon; null where there are none.</param>
internal sealed class NodeTable(TimeProvider time, RecordStore? records = null)
{
    private readonly ConcurrentDictionary<NodeId, Inode> _inodes = new();
    private readonly FileNumbers _files = new(time);
    private readonly Dictionary<ulong, NodeId> _earlierLookups = []; // by their requests; until new ones come
    private readonly Lock _gate = new();
    private readonly RecordedCounter _numbers = new(records, CounterName.Nodes);
    private Node? _root;
    private int _count;

    /// <summary>Gets the table of the users whose shares pay for other users' lookups.</summary>
    public Payers Payers { get; init; } = new();

    /// <summary>Gets the time that new nodes show as theirs.</summary>
    public DateTimeOffset Now => time.GetUtcNow();

    /// <summary>Gets the number of nodes in the tree.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Gets the number of numbers that the kernel may use at this moment.</summary>
    public int Inodes => _inodes.Count;

    /// <summary>Gets the records of open files for the next daemon, for all doors.</summary>
    public OpenRecords Opens { get; } = new(records);

    /// <summary>
    /// Returns the next number. The root is made first and gets FUSE_ROOT_ID, in every daemon that serves the
    /// connection.
    /// </summary>
    public NodeId Allocate()
    {
        if (_root is not null)
        {
            return new NodeId(_numbers.Next());
        }

        _numbers.StartAbove(NodeId.Root.Value);
        return NodeId.Root;
    }

    /// <summary>Finds the node that a number stands for.</summary>
    /// <returns>False when the kernel has forgotten the number, or never had it.</returns>
    public bool TryGet(NodeId id, [NotNullWhen(true)] out Node? node)
    {
        node = _inodes.TryGetValue(id, out Inode? inode) ? inode.Node : null;
        return node is not null;
    }

    /// <summary>Puts a node into the tree.</summary>
    public void Link(Node node)
    {
        lock (_gate)
        {
            _root ??= node;
            _inodes[node.Id] = new Inode(node);
            _count++;
        }
    }

    /// <summary>
    /// Takes a node out of the tree. The node stays known until the kernel has forgotten all of its numbers.
    /// </summary>
    public void Unlink(Node node)
    {
        lock (_gate)
        {
            if (_inodes.TryGetValue(node.Id, out Inode? inode) && !inode.IsUnlinked)
            {
                inode.IsUnlinked = true;
                inode.Record?.IsGone = true;
                _count--;
                DropIfUnused(node.Id, inode);
            }
        }
    }

    /// <summary>Counts one lookup of a node, and gives the number that the kernel is to use for it.</summary>
    /// <param name="node">The node that was found.</param>
    /// <param name="uid">The user who looked it up.</param>
    /// <param name="request">The lookup. A lookup that an earlier daemon has counted is not counted again.</param>
    /// <param name="id">The number: the node's own, or a new one for a file.</param>
    /// <returns>False when the node was removed in the meantime.</returns>
    public bool TryLookup(Node node, uint uid, FuseRequestId request, out NodeId id)
    {
        lock (_gate)
        {
            if (request.IsRepeated && _earlierLookups.TryGetValue(request.Unique, out id)
                && _inodes.TryGetValue(id, out Inode? counted) && counted.Node == node)
            {
                return true;
            }

            id = node.Id;
            if (!_inodes.TryGetValue(id, out Inode? inode) || inode.IsUnlinked)
            {
                return false;
            }

            if (node.Type == NodeType.Regular)
            {
                (id, inode) = InodeFor(node, Payers.Of(uid));
            }

            inode.Lookups++;
            if (node.Named.Parent is not null)
            {
                inode.Record ??= NumberRecord.Begin(records, id, node, inode.Uid ?? 0, inode.IsShared);
                inode.Record.Count(inode.Lookups, request.Unique);
            }

            return true;
        }
    }

    /// <summary>
    /// Gives the nodes of the tree, all of which are there, the numbers that they had in an earlier daemon. A number
    /// whose node is not there any more leads to a node that is gone.
    /// </summary>
    /// <returns>The number of numbers that the kernel holds.</returns>
    public int Resume()
    {
        if (records is null || _root is null)
        {
            return 0;
        }

        var earlier = new EarlierNumbers(NumberRecord.Adopt(records), _root);
        lock (_gate)
        {
            foreach ((NumberRecord number, Node? node) in earlier.Nodes)
            {
                Resume(number, node);
            }
        }

        return earlier.Nodes.Count;
    }

    /// <summary>Learns that no request of an earlier daemon comes again.</summary>
    public void ForgetEarlierLookups()
    {
        lock (_gate)
        {
            _earlierLookups.Clear();
        }
    }

    /// <summary>
    /// Takes lookups back. A number without lookups is dropped, unless it is that of a node in the tree.
    /// </summary>
    public void Forget(NodeId id, ulong lookups)
    {
        lock (_gate)
        {
            if (_inodes.TryGetValue(id, out Inode? inode))
            {
                inode.Lookups -= Math.Min(lookups, inode.Lookups);
                inode.Record?.Count(inode.Lookups, request: 0);
                DropIfUnused(id, inode);
            }
        }
    }

    /// <summary>Returns a new number for a lookup of a file, or the number that the lookup shares.</summary>
    private (NodeId Id, Inode Inode) InodeFor(Node node, uint uid)
    {
        bool isShared = _files.MustShare(node, uid);
        if (isShared && _files.TryFind(node, uid, out NodeId shared))
        {
            return (shared, _inodes[shared]);
        }

        NodeId id = Allocate();
        var inode = new Inode(node) { Uid = uid, IsShared = isShared, IsUnlinked = true };
        _inodes[id] = inode;
        _files.Add(id, inode);
        return (id, inode);
    }

    private void Resume(NumberRecord number, Node? node)
    {
        bool isOwn = number.Own == number.Number;
        if (node is not null && node.Id != number.Own && _inodes.TryRemove(node.Id, out Inode? own))
        {
            node.Id = number.Own;
            _inodes[node.Id] = own;
        }

        Inode inode = isOwn && node is not null
            ? _inodes[node.Id]
            : new Inode(node ?? new GoneNode(this, number.Type, number.Own))
            {
                Uid = isOwn ? null : number.Uid,
                IsShared = number.IsShared,
                IsUnlinked = true,
            };
        inode.Record = number;
        inode.Lookups = number.Lookups;
        _inodes[number.Number] = inode;
        _earlierLookups[number.Request] = number.Number;
        _files.Resume(number.Number, inode);
    }

    private void DropIfUnused(NodeId id, Inode inode)
    {
        if (inode.Lookups > 0 || !inode.IsUnlinked || !_inodes.TryRemove(id, out _))
        {
            return;
        }

        inode.Record?.Remove();
        _files.Remove(inode);
    }
}
