using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using TpmFs.Fuse;
using TpmFs.Records;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// A number that the kernel uses for a node, as the next daemon finds it. The node is found again by its name in its
/// directory, and that directory by its number. The table's lock guards it.
/// </summary>
internal sealed class NumberRecord
{
    private readonly RecordArea _area;

    private NumberRecord(RecordArea area, ulong number)
    {
        _area = area;
        Number = new NodeId(number);
    }

    /// <summary>Gets the number.</summary>
    public NodeId Number { get; }

    /// <summary>Gets the node's own number, which stat(2) shows.</summary>
    public NodeId Own => new(Head.Own);

    /// <summary>Gets the number of the directory that the node is in.</summary>
    public NodeId Parent => new(Head.Parent);

    /// <summary>Gets the user whose lookup made the number.</summary>
    public uint Uid => Head.Uid;

    /// <summary>Gets the kind of the node.</summary>
    public NodeType Type => (NodeType)Head.Type;

    /// <summary>True when further lookups of the same user get this number too.</summary>
    public bool IsShared => Head.IsShared;

    /// <summary>True when it is the one of two nodes of a name that a domain's owner finds.</summary>
    public bool IsOwners => Head.IsOwners;

    /// <summary>Gets or sets whether the node is out of the tree.</summary>
    public bool IsGone
    {
        get => Head.IsGone;
        set
        {
            Head.IsGone = value;
            _area.Wrote();
        }
    }

    /// <summary>Gets the lookup that used it last.</summary>
    public ulong Request => Head.Request;

    /// <summary>Gets the number of lookups that the kernel holds.</summary>
    public ulong Lookups => Head.Lookups;

    /// <summary>Gets the node's name.</summary>
    public string Name => Encoding.Latin1.GetString(_area.Span[Unsafe.SizeOf<Parts>()..]);

    private ref Parts Head => ref _area.As<Parts>();

    /// <summary>Writes down a number that the kernel is about to learn.</summary>
    /// <param name="store">Null where no daemon is to go on.</param>
    /// <param name="number">The number.</param>
    /// <param name="node">The node, which has a name in a directory.</param>
    /// <param name="uid">The user whose lookup made the number.</param>
    /// <param name="isShared">True when further lookups of the same user get this number too.</param>
    public static NumberRecord Begin(RecordStore? store, NodeId number, Node node, uint uid, bool isShared)
    {
        Node named = node.Named;
        var area = RecordArea.Reserve(
            store, (byte)RecordKind.Number, number.Value, Unsafe.SizeOf<Parts>() + named.Name.Length);
        Encoding.Latin1.GetBytes(named.Name, area.Span[Unsafe.SizeOf<Parts>()..]);
        var record = new NumberRecord(area, number.Value);
        ref Parts head = ref record.Head;
        (head.Own, head.Parent) = (node.Id.Value, named.Parent!.Id.Value);
        (head.Uid, head.Type, head.IsShared, head.IsOwners) = (uid, (uint)node.Type, isShared, named != node);
        Volatile.Write(ref head.IsKnown, true);
        area.Wrote();
        return record;
    }

    /// <summary>Reads the numbers that an earlier daemon gave to the kernel.</summary>
    public static List<NumberRecord> Adopt(RecordStore store) => store.Adopt(
        RecordKind.Number,
        (area, id) => area.Span.Length > Unsafe.SizeOf<Parts>() && area.As<Parts>().IsKnown
            ? new NumberRecord(area, id) : null);

    /// <summary>Records that the kernel holds the number once more.</summary>
    /// <param name="lookups">The lookups that the kernel holds now.</param>
    /// <param name="request">The lookup.</param>
    public void Count(ulong lookups, ulong request)
    {
        // In this order: a kill in between makes the number stay too long, never go too early.
        Volatile.Write(ref Head.Lookups, lookups);
        Volatile.Write(ref Head.Request, request);
        _area.Wrote();
    }

    /// <summary>Removes the record: the kernel has forgotten the number.</summary>
    public void Remove() => _area.Remove();

    [StructLayout(LayoutKind.Sequential)]
    private struct Parts
    {
        public ulong Own;
        public ulong Parent;
        public ulong Lookups;
        public ulong Request;
        public uint Uid;
        public uint Type;
        public bool IsKnown;
        public bool IsGone;
        public bool IsShared;
        public bool IsOwners;
    }
}
