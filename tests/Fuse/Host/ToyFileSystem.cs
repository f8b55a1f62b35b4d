using System.Text;

namespace TpmFs.Fuse.Tests.Host;

/// <summary>
/// A small filesystem with one of everything: a text, a device-like pipe whose reads wait, a link, directories that
/// come and go.
/// </summary>
internal sealed class ToyFileSystem(Action<string> say) : FuseFileSystem, IFuseInterruptible
{
    public const string Greeting = "hello, world\n";

    private const uint Directory = 0x4000;
    private const uint Regular = 0x8000;
    private const uint Link = 0xA000;
    private const uint NonBlocking = 0x800;
    private static readonly NodeId s_hello = new(2);
    private static readonly NodeId s_pipe = new(3);
    private static readonly NodeId s_linkNode = new(4);

    /// <summary>Guards all below.</summary>
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, (NodeId Node, uint Mode)> _names = new(StringComparer.Ordinal)
    {
        ["hello"] = (s_hello, Regular | 0x1A4),
        ["link"] = (s_linkNode, Link | 0x1FF),
        ["pipe"] = (s_pipe, Regular | 0x1B6),
    };

    private readonly Dictionary<string, byte[]> _xattrs = [];
    private readonly HashSet<PollId> _polls = [];
    private readonly Dictionary<ulong, FuseReadReply> _waiting = [];
    private byte[] _available = [];
    private IFuseNotifier? _notifier;
    private ulong _lastId = 100;

    /// <summary>The pipe has bytes now: a read that waits gets them, who polls is woken.</summary>
    public void Provide(string text)
    {
        FuseReadReply[] readers;
        PollId[] polls;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        lock (_gate)
        {
            readers = [.. _waiting.Values];
            polls = [.. _polls];
            _waiting.Clear();
            _polls.Clear();
            _available = bytes;
        }

        foreach (FuseReadReply reader in readers)
        {
            if (reader.Complete(bytes))
            {
                lock (_gate)
                {
                    _available = [];
                }
            }
        }

        foreach (PollId poll in polls)
        {
            _notifier!.NotifyPoll(poll);
        }
    }

    public void Interrupted(FuseReadReply reply)
    {
        lock (_gate)
        {
            if (!_waiting.Remove(reply.Unique))
            {
                return;
            }
        }

        reply.Fail(Errno.EINTR);
        say("interrupted");
    }

    public override void Started(IFuseNotifier notifier) => _notifier = notifier;

    public override void Stopped() => say("stopped");

    public override Errno Lookup(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, out FuseEntry entry)
    {
        entry = default;
        lock (_gate)
        {
            if (parent != NodeId.Root
                || !_names.TryGetValue(Encoding.UTF8.GetString(name), out (NodeId Node, uint Mode) found))
            {
                return Errno.ENOENT;
            }

            entry = Entry(found.Node, found.Mode);
            return Errno.None;
        }
    }

    public override Errno GetAttributes(in FuseCaller caller, NodeId node, OpenId? open, out FuseAttributes attributes)
    {
        lock (_gate)
        {
            attributes = node == NodeId.Root ? Attributes(node, Directory | 0x1ED) : Attributes(node, ModeOf(node));
            return Errno.None;
        }
    }

    public override Errno SetAttributes(
        in FuseCaller caller, NodeId node, in FuseAttributeChange change, out FuseAttributes attributes) =>
        GetAttributes(caller, node, null, out attributes);

    public override Errno ReadLink(in FuseCaller caller, NodeId node, FuseBytesReply target)
    {
        target.Set("hello"u8);
        return Errno.None;
    }

    public override Errno MakeDirectory(
        in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, uint mode, out FuseEntry entry)
    {
        entry = default;
        lock (_gate)
        {
            (NodeId Node, uint Mode) made = (new NodeId(++_lastId), Directory | (mode & 0xFFF));
            if (!_names.TryAdd(Encoding.UTF8.GetString(name), made))
            {
                return Errno.EEXIST;
            }

            entry = Entry(made.Node, made.Mode);
            return Errno.None;
        }
    }

    public override Errno RemoveDirectory(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name)
    {
        lock (_gate)
        {
            return _names.Remove(Encoding.UTF8.GetString(name)) ? Errno.None : Errno.ENOENT;
        }
    }

    public override Errno Open(in FuseCaller caller, NodeId node, uint flags, out FuseOpened opened)
    {
        lock (_gate)
        {
            opened = new FuseOpened(
                new OpenId(++_lastId),
                node == s_pipe ? FuseOpenFlags.DirectIo | FuseOpenFlags.Stream : FuseOpenFlags.DirectIo);
        }

        say($"open {caller.Uid}");
        return Errno.None;
    }

    public override void Read(
        in FuseCaller caller, NodeId node, OpenId open, in FuseReadArguments arguments, FuseReadReply reply)
    {
        if (node == s_hello)
        {
            byte[] text = Encoding.UTF8.GetBytes(Greeting);
            int start = (int)Math.Min(arguments.Offset, (ulong)text.Length);
            reply.Complete(text.AsSpan(start, Math.Min(arguments.Size, text.Length - start)));
            return;
        }

        byte[] ready;
        lock (_gate)
        {
            if (_available.Length == 0 && (arguments.Flags & NonBlocking) == 0)
            {
                reply.Keep(this);
                _waiting.Add(reply.Unique, reply);
                say("waiting");
                return;
            }

            ready = _available;
            _available = [];
        }

        if (ready.Length == 0)
        {
            reply.Fail(Errno.EAGAIN);
        }
        else
        {
            reply.Complete(ready);
        }
    }

    public override Errno Write(
        in FuseCaller caller, NodeId node, OpenId open, in FuseWriteArguments arguments, ReadOnlySpan<byte> data,
        out int written)
    {
        written = data.Length;
        Provide(Encoding.UTF8.GetString(data).ToUpperInvariant());
        return Errno.None;
    }

    public override Errno Poll(
        in FuseCaller caller, NodeId node, OpenId open, PollId? notify, PollEvents wanted, out PollEvents ready)
    {
        lock (_gate)
        {
            ready =
                _available.Length > 0 ? PollEvents.In | PollEvents.ReadNormal : PollEvents.Out | PollEvents.WriteNormal;
            if (notify is { } poll)
            {
                _polls.Add(poll);
                say("polled");
            }

            return Errno.None;
        }
    }

    public override void Release(NodeId node, OpenId open) => say("release");

    public override Errno OpenDirectory(in FuseCaller caller, NodeId node, uint flags, out FuseOpened opened)
    {
        opened = new FuseOpened(new OpenId(0), FuseOpenFlags.None);
        return Errno.None;
    }

    public override Errno ReadDirectory(
        in FuseCaller caller, NodeId node, OpenId open, ulong offset, FuseDirectoryReply entries)
    {
        lock (_gate)
        {
            var all = new List<(string Name, NodeId Node, uint Mode)> { (".", node, Directory),
                ("..", NodeId.Root, Directory) };
            if (node == NodeId.Root)
            {
                all.AddRange(_names.Select(entry => (entry.Key, entry.Value.Node, entry.Value.Mode)));
            }

            for (int i = (int)offset; i < all.Count; i++)
            {
                if (!entries.Add(
                    Encoding.UTF8.GetBytes(all[i].Name), (ulong)i + 1, Attributes(all[i].Node, all[i].Mode)))
                {
                    break;
                }
            }
        }

        return Errno.None;
    }

    public override Errno GetXattr(in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name, FuseBytesReply value)
    {
        lock (_gate)
        {
            if (!_xattrs.TryGetValue(Encoding.UTF8.GetString(name), out byte[]? bytes))
            {
                return Errno.ENODATA;
            }

            value.Set(bytes);
            return Errno.None;
        }
    }

    public override Errno ListXattr(in FuseCaller caller, NodeId node, FuseBytesReply names)
    {
        lock (_gate)
        {
            names.Set(Encoding.UTF8.GetBytes(string.Concat(_xattrs.Keys.Select(name => name + "\0"))));
            return Errno.None;
        }
    }

    public override Errno SetXattr(
        in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags)
    {
        lock (_gate)
        {
            _xattrs[Encoding.UTF8.GetString(name)] = value.ToArray();
            return Errno.None;
        }
    }

    public override Errno RemoveXattr(in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name)
    {
        lock (_gate)
        {
            return _xattrs.Remove(Encoding.UTF8.GetString(name)) ? Errno.None : Errno.ENODATA;
        }
    }

    private static FuseEntry Entry(NodeId node, uint mode) => new(node, Attributes(node, mode));

    private static FuseAttributes Attributes(NodeId node, uint mode) => new()
    {
        Inode = node.Value,
        Mode = mode,
        LinkCount = 1,
        Uid = 0,
        Gid = 0,
        Size = node == s_hello ? (ulong)Greeting.Length : 0,
        AccessTime = DateTimeOffset.UnixEpoch,
        ModifyTime = DateTimeOffset.UnixEpoch,
        ChangeTime = DateTimeOffset.UnixEpoch,
    };

    private uint ModeOf(NodeId node) => _names.Values.FirstOrDefault(entry => entry.Node == node).Mode;
}
