using System.Globalization;
using System.Text;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>
/// Writes down each call as the filesystem sees it, and answers all of them with one error, or with fixed values. Any
/// thread.
/// </summary>
internal sealed class RecordingFileSystem : FuseFileSystem, IFuseInterruptible
{
    /// <summary>A number that differs from the inode's, so that no test takes one for the other.</summary>
    public static readonly NodeId Node = new(0x8877665544332211);

    public static readonly FuseAttributes Attributes = new()
    {
        Inode = 0x1122334455667788,
        Mode = 0x81A4,
        LinkCount = 1,
        Uid = 1000,
        Gid = 999,
        Size = 513,
        AccessTime = DateTimeOffset.UnixEpoch.AddSeconds(1.5),
        ModifyTime = DateTimeOffset.UnixEpoch.AddSeconds(-2.25),
        ChangeTime = DateTimeOffset.UnixEpoch.AddTicks(1),
    };

    private readonly Lock _gate = new();
    private readonly List<string> _calls = [];

    /// <summary>Gets the calls so far. The session's threads make them while a test reads this.</summary>
    public IReadOnlyList<string> Calls
    {
        get
        {
            lock (_gate)
            {
                return [.. _calls];
            }
        }
    }

    public Errno Answer { get; set; } = Errno.None;

    /// <summary>Gets or sets what the calls answer that return bytes.</summary>
    public byte[] Bytes { get; set; } = "value"u8.ToArray();

    /// <summary>Gets or sets what a read does with its reply; a read keeps its reply where this is null.</summary>
    public Action<FuseReadReply>? OnRead { get; set; }

    /// <summary>Gets or sets the action that a write takes before it is answered.</summary>
    public Action<OpenId>? OnWrite { get; set; }

    /// <summary>Gets or sets what a thread does that is lent after a write was answered.</summary>
    public Func<OpenId, FuseLendResult>? OnLend { get; set; }

    /// <summary>Gets or sets what an interrupt does.</summary>
    public Action<FuseReadReply>? OnInterrupt { get; set; }

    /// <summary>Gets or sets what GetAttributes, Started and Read throw; null where they throw nothing.</summary>
    public Exception? Failure { get; set; }

    public FuseReadReply LastRead { get; private set; }

    public IFuseNotifier? Notifier { get; private set; }

    public void Interrupted(FuseReadReply reply)
    {
        Record($"interrupted {reply.Unique}");
        OnInterrupt?.Invoke(reply);
    }

    public override void Started(IFuseNotifier notifier)
    {
        Notifier = notifier;
        Throw();
    }

    public override FuseLendResult Lend(NodeId node, OpenId open) => OnLend?.Invoke(open) ?? FuseLendResult.Done;

    public override void Stopped() => Record("stopped");

    public override Errno Lookup(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, out FuseEntry entry) =>
        WithEntry($"lookup {caller.Uid}:{caller.Gid} {parent.Value} {Text(name)}", out entry);

    public override void Forget(NodeId node, ulong lookups) => Record($"forget {node.Value} {lookups}");

    public override Errno GetAttributes(in FuseCaller caller, NodeId node, OpenId? open, out FuseAttributes attributes)
    {
        Throw();
        return WithAttributes($"getattr {node.Value} {open?.Value}", out attributes);
    }

    public override Errno Access(in FuseCaller caller, NodeId node, uint mask) => Record($"access {node.Value} {mask}");

    public override Errno SetAttributes(
        in FuseCaller caller, NodeId node, in FuseAttributeChange change, out FuseAttributes attributes) =>
        WithAttributes(
            string.Create(
                CultureInfo.InvariantCulture,
                $"setattr {node.Value} mode={change.Mode:x} uid={change.Uid} gid={change.Gid} size={change.Size} "
                + $"atime={change.AccessTime:O} mtime={change.ModifyTime:O} open={change.Open?.Value}"),
            out attributes);

    public override Errno ReadLink(in FuseCaller caller, NodeId node, FuseBytesReply target) =>
        WithBytes($"readlink {node.Value}", target);

    public override Errno MakeDirectory(
        in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, uint mode, out FuseEntry entry) =>
        WithEntry($"mkdir {parent.Value} {Text(name)} {mode:x}", out entry);

    public override Errno RemoveDirectory(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name) =>
        Record($"rmdir {parent.Value} {Text(name)}");

    public override Errno Open(in FuseCaller caller, NodeId node, uint flags, out FuseOpened opened)
    {
        opened = new FuseOpened(new OpenId(7), FuseOpenFlags.DirectIo | FuseOpenFlags.Stream | FuseOpenFlags.NoFlush);
        return Record($"open {node.Value} {flags:x}");
    }

    public override void Read(
        in FuseCaller caller, NodeId node, OpenId open, in FuseReadArguments arguments, FuseReadReply reply)
    {
        Record(
            $"read {node.Value} {open.Value} {arguments.Offset} {arguments.Size} "
                + $"{arguments.Flags:x}{(arguments.FillsPageCache ? " for the page cache" : "")}");
        LastRead = reply;
        if (OnRead is null)
        {
            reply.Keep(this);
        }
        else
        {
            OnRead(reply);
        }

        Throw();
    }

    public override Errno Write(
        in FuseCaller caller, NodeId node, OpenId open, in FuseWriteArguments arguments, ReadOnlySpan<byte> data,
        out int written)
    {
        written = data.Length;
        OnWrite?.Invoke(open);
        return Record($"write {node.Value} {open.Value} {arguments.Offset} {arguments.Flags:x} {Text(data)}");
    }

    public override Errno Poll(
        in FuseCaller caller, NodeId node, OpenId open, PollId? notify, PollEvents wanted, out PollEvents ready)
    {
        ready = PollEvents.In | PollEvents.ReadNormal;
        return Record($"poll {node.Value} {open.Value} {notify?.Value} {(uint)wanted:x}");
    }

    public override Errno Flush(in FuseCaller caller, NodeId node, OpenId open) =>
        Record($"flush {node.Value} {open.Value}");

    public override Errno Sync(in FuseCaller caller, NodeId node, OpenId open) =>
        Record($"sync {node.Value} {open.Value}");

    public override void Release(NodeId node, OpenId open) => Record($"release {node.Value} {open.Value}");

    public override Errno OpenDirectory(in FuseCaller caller, NodeId node, uint flags, out FuseOpened opened)
    {
        opened = new FuseOpened(new OpenId(8), FuseOpenFlags.None);
        return Record($"opendir {node.Value} {flags:x}");
    }

    public override Errno ReadDirectory(
        in FuseCaller caller, NodeId node, OpenId open, ulong offset, FuseDirectoryReply entries)
    {
        bool all = entries.Add("."u8, 1, Attributes) && entries.Add("name"u8, 2, Attributes);
        return Record($"readdir {node.Value} {open.Value} {offset} all={all}");
    }

    public override void ReleaseDirectory(NodeId node, OpenId open) => Record($"releasedir {node.Value} {open.Value}");

    public override Errno StatFs(in FuseCaller caller, NodeId node, out FuseStatFs statistics)
    {
        statistics = new FuseStatFs(1, 2, 3, 4, 5, 6);
        return Record($"statfs {node.Value}");
    }

    public override Errno Ioctl(
        in FuseCaller caller, NodeId node, OpenId open, uint command, ulong argument, ReadOnlySpan<byte> input) =>
        Record($"ioctl {node.Value} {open.Value} {command:x} {Text(input)}");

    public override Errno GetXattr(in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name, FuseBytesReply value) =>
        WithBytes($"getxattr {node.Value} {Text(name)}", value);

    public override Errno ListXattr(in FuseCaller caller, NodeId node, FuseBytesReply names) =>
        WithBytes($"listxattr {node.Value}", names);

    public override Errno SetXattr(
        in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags) =>
        Record($"setxattr {node.Value} {Text(name)} {Text(value)} {flags}");

    public override Errno RemoveXattr(in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name) =>
        Record($"removexattr {node.Value} {Text(name)}");

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);

    private Errno WithEntry(string call, out FuseEntry entry)
    {
        entry = new FuseEntry(Node, Attributes);
        return Record(call);
    }

    private Errno WithAttributes(string call, out FuseAttributes attributes)
    {
        attributes = Attributes;
        return Record(call);
    }

    private Errno WithBytes(string call, FuseBytesReply reply)
    {
        reply.Set(Bytes);
        return Record(call);
    }

    private Errno Record(string call)
    {
        lock (_gate)
        {
            _calls.Add(call);
        }

        return Answer;
    }

    private void Throw()
    {
        if (Failure is not null)
        {
            throw Failure;
        }
    }
}
