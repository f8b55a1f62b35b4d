using System.Diagnostics.CodeAnalysis;
using System.Text;
using TpmFs.Fuse;
using TpmFs.Logs;

namespace TpmFs.Nodes;

/// <summary>A directory whose entries are added and removed by the daemon.</summary>
/// <remarks>
/// A name is kept as a Latin-1 string, one character a byte, so that any name is itself and nothing else. Each entry has a place in the
/// listing that never changes and is never reused, so a listing that goes on after a change misses and repeats nothing.
/// </remarks>
internal class DirectoryNode : Node
{
    private const ulong SelfPlace = 1;
    private const ulong ParentPlace = 2;

    private readonly NodeTable table;
    private readonly DirectoryNode parent;
    private readonly Lock gate = new();
    private readonly Dictionary<string, Entry> byName = new(StringComparer.Ordinal);
    private readonly SortedList<ulong, Entry> byPlace = [];
    private ulong lastPlace = ParentPlace;
    private uint subdirectories;
    private bool removed;

    /// <param name="parent">Null for the root, which is its own parent and belongs to the table from the start.</param>
    public DirectoryNode(NodeTable table, NodeAccess access, DirectoryNode? parent = null)
        : base(table, access)
    {
        this.table = table;
        this.parent = parent ?? this;
        if (parent is null)
        {
            table.Link(this);
        }
    }

    public override NodeType Type => NodeType.Directory;

    protected override uint LinkCount => 2 + Volatile.Read(ref subdirectories);

    /// <summary>False when the name is taken, or this directory is gone itself.</summary>
    public bool TryAdd(string name, Node child)
    {
        lock (gate)
        {
            var entry = new Entry(name, ++lastPlace, child);
            if (removed || !byName.TryAdd(name, entry))
            {
                return false;
            }

            (child.Parent, child.Name) = (this, name);
            byPlace.Add(entry.Place, entry);
            subdirectories += child.Type == NodeType.Directory ? 1u : 0;
            table.Link(child);
            return true;
        }
    }

    public bool TryRemove(string name, [NotNullWhen(true)] out Node? child)
    {
        lock (gate)
        {
            child = byName.Remove(name, out var entry) ? entry.Node : null;
            if (child is null)
            {
                return false;
            }

            byPlace.Remove(entry.Place);
            subdirectories -= child.Type == NodeType.Directory ? 1u : 0;
            table.Unlink(child);
        }

        child.Removed();
        return true;
    }

    /// <summary>Everything below goes too.</summary>
    public override void Removed()
    {
        base.Removed();
        string[] names;
        lock (gate)
        {
            removed = true;
            names = [.. byName.Keys];
        }

        foreach (var name in names)
        {
            TryRemove(name, out _);
        }
    }

    public override void Reset(Audit audit)
    {
        base.Reset(audit);
        foreach (var child in Children)
        {
            child.Reset(audit);
        }
    }

    /// <summary>The child with a name, whoever asks.</summary>
    public bool TryFind(string name, [NotNullWhen(true)] out Node? child)
    {
        lock (gate)
        {
            child = byName.TryGetValue(name, out var entry) ? entry.Node : null;
            return child is not null;
        }
    }

    public override Errno Find(in FuseCaller caller, ReadOnlySpan<byte> name, out Node? child)
    {
        var key = Encoding.Latin1.GetString(name);
        lock (gate)
        {
            child = byName.TryGetValue(key, out var entry) ? entry.Node.FaceFor(caller) : null;
            return child is not null ? Errno.None : removed ? Errno.ENODEV : Errno.ENOENT;
        }
    }

    public override Errno List(in FuseCaller caller, ulong offset, FuseDirectoryReply entries)
    {
        if ((offset < SelfPlace && !entries.Add("."u8, SelfPlace, Attributes))
            || (offset < ParentPlace && !entries.Add(".."u8, ParentPlace, parent.Attributes)))
        {
            return Errno.None;
        }

        foreach (var entry in After(offset))
        {
            if (entry.Node.FaceFor(caller) is not { } face || (entries.CountsLookups && !table.TryLookup(face)))
            {
                continue;
            }

            if (!entries.Add(Encoding.Latin1.GetBytes(entry.Name), entry.Place, face.Attributes))
            {
                if (entries.CountsLookups)
                {
                    table.Forget(face.Id, 1);
                }

                break;
            }
        }

        return Errno.None;
    }

    protected Node[] Children
    {
        get
        {
            lock (gate)
            {
                return [.. byPlace.Values.Select(entry => entry.Node)];
            }
        }
    }

    private Entry[] After(ulong offset)
    {
        lock (gate)
        {
            return [.. byPlace.Values.SkipWhile(entry => entry.Place <= offset)];
        }
    }

    private readonly record struct Entry(string Name, ulong Place, Node Node);
}
