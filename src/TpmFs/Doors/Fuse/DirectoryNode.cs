using System.Diagnostics.CodeAnalysis;
using System.Text;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Doors.Fuse;

/// <summary>A directory whose entries are added and removed by the daemon.</summary>
/// <remarks>
/// A name is kept as a Latin-1 string, one character a byte, so that any name is itself and nothing else. Each entry
/// has a place in the listing that never changes and is never reused, so a listing that goes on after a change misses
/// and repeats nothing.
/// </remarks>
internal class DirectoryNode : Node
{
    private const uint StickyBit = 0b1_000_000_000; // S_ISVTX of linux/stat.h
    private const ulong SelfPlace = 1;
    private const ulong ParentPlace = 2;

    private readonly NodeTable _table;
    private readonly DirectoryNode _parent;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _byName = new(StringComparer.Ordinal);
    private readonly SortedList<ulong, Entry> _byPlace = [];
    private ulong _lastPlace = ParentPlace;
    private uint _subdirectories;
    private bool _removed;

    /// <param name="parent">Null for the root, which is its own parent and belongs to the table from the start.</param>
    public DirectoryNode(NodeTable table, NodeAccess access, DirectoryNode? parent = null)
        : base(table, access)
    {
        _table = table;
        _parent = parent ?? this;
        if (parent is null)
        {
            table.Link(this);
        }
    }

    public override NodeType Type => NodeType.Directory;

    /// <summary>
    /// Shows the sticky bit where others than the owner may write (an ACL shows as the group's bits). Users remove
    /// only their own directories there, and fusermount3 then lets nobody but the owner mount over the directory.
    /// </summary>
    protected override uint ModeOfType(Access access) => access.IsWritableByOthers ? StickyBit : 0;

    protected override uint LinkCount => 2 + Volatile.Read(ref _subdirectories);

    /// <summary>Adds a node. Returns false when the name is taken, or this directory itself is gone.</summary>
    public bool TryAdd(string name, Node child)
    {
        lock (_gate)
        {
            var entry = new Entry(name, ++_lastPlace, child);
            if (_removed || !_byName.TryAdd(name, entry))
            {
                return false;
            }

            (child.Parent, child.Name) = (this, name);
            _byPlace.Add(entry.Place, entry);
            _subdirectories += child.Type == NodeType.Directory ? 1u : 0;
            _table.Link(child);
            return true;
        }
    }

    public bool TryRemove(string name, [NotNullWhen(true)] out Node? child)
    {
        lock (_gate)
        {
            child = _byName.Remove(name, out Entry entry) ? entry.Node : null;
            if (child is null)
            {
                return false;
            }

            _byPlace.Remove(entry.Place);
            _subdirectories -= child.Type == NodeType.Directory ? 1u : 0;
            _table.Unlink(child);
        }

        child.Removed();
        return true;
    }

    /// <summary>Learns that the directory was taken out of the tree, and takes out all nodes below it.</summary>
    public override void Removed()
    {
        base.Removed();
        string[] names;
        lock (_gate)
        {
            _removed = true;
            names = [.. _byName.Keys];
        }

        foreach (string name in names)
        {
            TryRemove(name, out _);
        }
    }

    public override void Reset(Audit audit)
    {
        base.Reset(audit);
        foreach (Node child in Children)
        {
            child.Reset(audit);
        }
    }

    /// <summary>Returns the child with a name, the same for every caller.</summary>
    public bool TryFind(string name, [NotNullWhen(true)] out Node? child)
    {
        lock (_gate)
        {
            child = _byName.TryGetValue(name, out Entry entry) ? entry.Node : null;
            return child is not null;
        }
    }

    public override Errno Find(in FuseCaller caller, ReadOnlySpan<byte> name, out Node? child)
    {
        string key = Encoding.Latin1.GetString(name);
        lock (_gate)
        {
            child = _byName.TryGetValue(key, out Entry entry) ? entry.Node.VisibleTo(caller) : null;
            return child is not null ? Errno.None : _removed ? Errno.ENODEV : Errno.ENOENT;
        }
    }

    public override Errno List(in FuseCaller caller, ulong offset, FuseDirectoryReply entries)
    {
        if ((offset < SelfPlace && !entries.Add("."u8, SelfPlace, Attributes))
            || (offset < ParentPlace && !entries.Add(".."u8, ParentPlace, _parent.Attributes)))
        {
            return Errno.None;
        }

        foreach (Entry entry in After(offset))
        {
            if (entry.Node.VisibleTo(caller) is { } face
                && !entries.Add(Encoding.Latin1.GetBytes(entry.Name), entry.Place, face.Attributes))
            {
                break;
            }
        }

        return Errno.None;
    }

    protected Node[] Children
    {
        get
        {
            lock (_gate)
            {
                return [.. _byPlace.Values.Select(entry => entry.Node)];
            }
        }
    }

    private Entry[] After(ulong offset)
    {
        lock (_gate)
        {
            return [.. _byPlace.Values.SkipWhile(entry => entry.Place <= offset)];
        }
    }

    private readonly record struct Entry(string Name, ulong Place, Node Node);
}
