using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TpmFs.Fuse;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;
using TpmFs.Mirror;
using TpmFs.Simulation;

namespace TpmFs.Benchmarks;

/// <summary>
/// The kernel's side of a connection on which one file is open: it sends requests, and takes the replies and forgets
/// them.
/// </summary>
internal sealed class Kernel : IFuseOutput, IFuseLog, IFuseReadReplies
{
    private const ulong PollHandle = 1;
    private readonly RequestDispatcher _dispatcher;
    private readonly RequestSlot _slot;
    private readonly byte[] _write;
    private readonly byte[] _poll;
    private readonly byte[] _read;

    /// <param name="fileSystem">What is served.</param>
    /// <param name="node">Its one file.</param>
    /// <param name="records">Where requests are written down for the next daemon; null where there is none.</param>
    public Kernel(FuseFileSystem fileSystem, NodeId node, RecordStore? records = null)
    {
        var session = new SessionRecords(records, connection: 0);
        _slot = session.SlotsFor(threads: 1, room: 1 << 17)[0];
        const FuseInitFlags Flags = FuseInitFlags.MaxPages | FuseInitFlags.PosixAcl;
        _dispatcher = new RequestDispatcher(
            fileSystem, new FuseNegotiation(new FuseSessionOptions(), this), session, this, this);
        Serve(Request(FuseOpcode.Init, node, new FuseInitIn(7, 40, 0, Flags)));
        Serve(Request(FuseOpcode.Open, node, new FuseOpenIn(2, 0)));
        ulong open = MemoryMarshal.Read<FuseOpenOut>(_slot.Reply.Written).Fh;
        _write = Request(FuseOpcode.Write, node, new FuseWriteIn(open, 0, (uint)Command.Length, 0, 0, 2, 0), Command);
        _poll = Request(
            FuseOpcode.Poll, node, new FusePollIn(open, PollHandle, FusePollFlags.ScheduleNotify, PollEvents.In));
        _read = Request(FuseOpcode.Read, node, new FuseReadIn(open, 0, 4096, FuseReadFlags.LockOwner, 1, 2, 0));
    }

    /// <summary>What is written: TPM2_GetRandom of 8 bytes.</summary>
    public static byte[] Command { get; } = Cmd.GetRandom(8);

    /// <summary>A read that is not of any connection.</summary>
    public static FuseReadReply NoReply => new(s_nowhere, 1);

    private static readonly Kernel s_nowhere = new(new QuietFileSystem(), NodeId.Root);

    public void Write() => _dispatcher.Lend(Serve(_write)!.Value);

    public void Poll() => Serve(_poll);

    public void Read() => Serve(_read);

    public void Keep(FuseReadReply reply, IFuseInterruptible owner) =>
        throw new InvalidOperationException("A read had to wait.");

    public void Note(FuseReadReply reply, in FuseReadNote note)
    {
    }

    public bool Complete(FuseReadReply reply, ReadOnlySpan<byte> data) => true;

    public void Fail(FuseReadReply reply, Errno error) =>
        throw new InvalidOperationException($"A read failed: {error}.");

    Errno IFuseOutput.Write(in FuseOutHeader header, ReadOnlySpan<byte> body) =>
        header is { Unique: not 0, Error: not 0 }
            ? throw new InvalidOperationException($"A request failed: {header}.") : Errno.None;

    public void Information(string message)
    {
    }

    public void Warning(string message) => throw new InvalidOperationException(message);

    public void Error(string message, Exception? exception) => throw new InvalidOperationException(message, exception);

    private WrittenFile? Serve(byte[] request)
    {
        request.CopyTo(_slot.Buffer);
        WrittenFile? written = _dispatcher.Dispatch(_slot, request.Length);
        _slot.Clear(request.Length);
        return written;
    }

    private static byte[] Request<T>(FuseOpcode opcode, NodeId node, T body, params ReadOnlySpan<byte> data)
        where T : unmanaged
    {
        int length = Unsafe.SizeOf<FuseInHeader>() + Unsafe.SizeOf<T>() + data.Length;
        var header = new FuseInHeader(
            (uint)length, opcode, Unique: 2, node.Value, Uid: 1000, Gid: 1000, Pid: 1, TotalExtLen: 0, Padding: 0);
        return [.. MemoryMarshal.AsBytes([header]), .. MemoryMarshal.AsBytes([body]), .. data];
    }
}

/// <summary>A filesystem that takes every write and answers every read, and does nothing else.</summary>
internal sealed class QuietFileSystem : FuseFileSystem
{
    public override Errno Lookup(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, out FuseEntry entry)
    {
        entry = default;
        return Errno.ENOENT;
    }

    public override Errno GetAttributes(in FuseCaller caller, NodeId node, OpenId? open, out FuseAttributes attributes)
    {
        attributes = default;
        return Errno.ENOENT;
    }

    public override Errno Open(in FuseCaller caller, NodeId node, uint flags, out FuseOpened opened)
    {
        opened = new FuseOpened(new OpenId(1), FuseOpenFlags.DirectIo);
        return Errno.None;
    }

    public override Errno Write(
        in FuseCaller caller, NodeId node, OpenId open, in FuseWriteArguments arguments, ReadOnlySpan<byte> data,
        out int written)
    {
        written = data.Length;
        return Errno.None;
    }

    public override void Read(
        in FuseCaller caller, NodeId node, OpenId open, in FuseReadArguments arguments, FuseReadReply reply) =>
            reply.Complete("response"u8);
}
