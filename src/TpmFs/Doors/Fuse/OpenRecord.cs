using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TpmFs.Fuse;
using TpmFs.Records;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// An open file as the next daemon finds it. Each field is written by itself, so that no lock is needed; of the fields
/// that several threads write, the last that was written holds.
/// </summary>
internal sealed class OpenRecord
{
    private readonly RecordArea _area;

    private OpenRecord(RecordArea area, ulong open)
    {
        _area = area;
        Open = new OpenId(open);
    }

    /// <summary>Gets the number of the open file.</summary>
    public OpenId Open { get; }

    /// <summary>Gets the connection on which the kernel opened it; 0 is the mount's.</summary>
    public uint Connection => Head.Connection;

    /// <summary>Gets the number by which the kernel opened it.</summary>
    public NodeId Node => new(Head.Node);

    /// <summary>Gets the caller and the request that opened it.</summary>
    public FuseCaller Opener => new(Head.Uid, Head.Gid, Head.Pid)
    {
        Request = new FuseRequestId(Head.Request, IsRepeated: false),
    };

    /// <summary>Gets the flags of open(2).</summary>
    public uint Flags => Head.Flags;

    /// <summary>Gets the number of its conversation; 0 where it has none.</summary>
    public ulong Conversation => Head.Conversation;

    /// <summary>
    /// Gets or sets the kernel's poll table, of which it has one for each open file; null before the first poll.
    /// </summary>
    public PollId? Poll
    {
        get => Volatile.Read(ref Head.Poll) is not 0 and ulong poll ? new PollId(poll) : null;
        set
        {
            if (Head.Poll != value!.Value.Value)
            {
                Volatile.Write(ref Head.Poll, value.Value.Value);
                _area.Wrote();
            }
        }
    }

    /// <summary>Gets or sets whether it has taken an order.</summary>
    public bool HasOrdered
    {
        get => Head.HasOrdered;
        set
        {
            Head.HasOrdered = value;
            _area.Wrote();
        }
    }

    /// <summary>Gets or sets the length of the content that was read to its end; negative where none was.</summary>
    public long End
    {
        get => Head.End - 1;
        set
        {
            Volatile.Write(ref Head.End, value + 1);
            _area.Wrote();
        }
    }

    private ref Parts Head => ref _area.As<Parts>();

    /// <summary>Writes down an open file.</summary>
    /// <param name="store">Null where no daemon is to go on.</param>
    /// <param name="open">The file's number.</param>
    /// <param name="request">The request that opens it.</param>
    /// <param name="conversation">The number of its conversation; 0 where it has none.</param>
    public static OpenRecord Begin(RecordStore? store, OpenId open, in OpenRequest request, ulong conversation)
    {
        var area = RecordArea.Reserve(store, (byte)RecordKind.Open, open.Value, Unsafe.SizeOf<Parts>());
        var record = new OpenRecord(area, open.Value);
        ref Parts head = ref record.Head;
        (head.Connection, head.Node, head.Flags) = (request.Connection, request.Node.Value, request.Flags);
        (head.Request, head.Conversation) = (request.Opener.Request.Unique, conversation);
        (head.Uid, head.Gid, head.Pid) = (request.Opener.Uid, request.Opener.Gid, request.Opener.Pid);
        Volatile.Write(ref head.IsOpen, true);
        area.Wrote();
        return record;
    }

    /// <summary>Reads the files that were open in an earlier daemon.</summary>
    public static List<OpenRecord> Adopt(RecordStore store) => store.Adopt(
        RecordKind.Open,
        (area, id) => area.Span.Length == Unsafe.SizeOf<Parts>() && area.As<Parts>().IsOpen
            ? new OpenRecord(area, id) : null);

    /// <summary>Removes the record: the file is closed.</summary>
    public void Remove() => _area.Remove();

    [StructLayout(LayoutKind.Sequential)]
    private struct Parts
    {
        public ulong Node;
        public ulong Request;
        public ulong Conversation;
        public ulong Poll;
        public long End;
        public uint Uid;
        public uint Gid;
        public uint Pid;
        public uint Flags;
        public bool IsOpen;
        public bool HasOrdered;
        public uint Connection;
    }
}
