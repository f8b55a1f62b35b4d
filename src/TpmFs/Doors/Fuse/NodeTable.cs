using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using TpmFs.Fuse;
using TpmFs.Policy;

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
/// stays only where the path's numbers stay. The lock owns all counts and is held for a few instructions; nothing is
/// called under it.
/// </remarks>
internal sealed class NodeTable(TimeProvider time)
{
    /// <summary>
    /// The most numbers that lookups of files have made, of all users together. Each costs some 150 bytes while the
    /// kernel holds it.
    /// </summary>
    public const int MaxFileNumbers = 65_536;

    /// <summary>How many of them root gets in any case.</summary>
    private const int RootsReserve = 4096;

    private readonly ConcurrentDictionary<NodeId, Inode> _inodes = new();
    private readonly FairShares _shares = new(RootsReserve);
    private readonly LookupRates _rates = new(time);
    private readonly Dictionary<(Node Node, uint Uid), NodeId> _shared = [];
    private readonly Lock _gate = new();
    private ulong _last;
    private int _count;

    /// <summary>Gets what tells to whose share a user's lookups are put down.</summary>
    public Payers Payers { get; init; } = new();

    /// <summary>Gets the time that new nodes show as theirs.</summary>
    public DateTimeOffset Now => time.GetUtcNow();

    /// <summary>Gets how many nodes are in the tree.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Gets how many numbers the kernel may use at this moment.</summary>
    public int Inodes => _inodes.Count;

    /// <summary>Returns the next number. The first is FUSE_ROOT_ID, so the root is made first.</summary>
    public NodeId Allocate() => new(Interlocked.Increment(ref _last));

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
                _count--;
                DropIfUnused(node.Id, inode);
            }
        }
    }

    /// <summary>Counts one lookup of a node, and says which number the kernel is to use for it.</summary>
    /// <param name="node">The node that was found.</param>
    /// <param name="uid">The user who looked it up.</param>
    /// <param name="id">The number: the node's own, or a new one for a file.</param>
    /// <returns>False when the node was removed in the meantime.</returns>
    public bool TryLookup(Node node, uint uid, out NodeId id)
    {
        lock (_gate)
        {
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
            return true;
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
                DropIfUnused(id, inode);
            }
        }
    }

    /// <summary>
    /// Makes a new number; a user whose share is used up, or who looks up all the time, gets one for each file, which
    /// only further lookups of the same user get too. Root's rate does not count: what root binds into containers is
    /// each one's.
    /// </summary>
    private (NodeId Id, Inode Inode) InodeFor(Node node, uint uid)
    {
        bool isShared = (uid != 0 && _rates.IsMany(uid))
            || !_shares.TryTake(uid, uid == 0 ? Standing.Administrator : Standing.User, MaxFileNumbers);
        if (isShared && _shared.TryGetValue((node, uid), out NodeId shared))
        {
            return (shared, _inodes[shared]);
        }

        NodeId id = Allocate();
        var inode = new Inode(node) { Uid = uid, IsShared = isShared, IsUnlinked = true };
        _inodes[id] = inode;
        if (isShared)
        {
            _shared.Add((node, uid), id);
        }

        return (id, inode);
    }

    private void DropIfUnused(NodeId id, Inode inode)
    {
        if (inode.Lookups > 0 || !inode.IsUnlinked || !_inodes.TryRemove(id, out _) || inode.Uid is not { } uid)
        {
            return;
        }

        if (inode.IsShared)
        {
            _shared.Remove((inode.Node, uid));
        }
        else
        {
            _shares.Return(uid);
        }
    }

    /// <summary>Holds what the table knows of one number.</summary>
    private sealed class Inode(Node node)
    {
        public Node Node { get; } = node;

        /// <summary>Gets the user whose lookup made the number; null for a node's own number.</summary>
        public uint? Uid { get; init; }

        /// <summary>True when further lookups of the same user get this number too.</summary>
        public bool IsShared { get; init; }

        /// <summary>
        /// True when nothing but the kernel's lookups keeps the number: the node was removed, or the number was made
        /// for a lookup.
        /// </summary>
        public bool IsUnlinked { get; set; }

        /// <summary>Gets or sets how often the kernel holds this number.</summary>
        public ulong Lookups { get; set; }
    }
}
