using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>A dispatcher without a kernel: request bytes in, reply bytes out.</summary>
internal sealed class DispatcherFixture : IFuseOutput, IFuseLog
{
    private readonly RequestSlot _slot = SlotDispatch.NewSlot();

    public DispatcherFixture(FuseFileSystem fileSystem, FuseSessionOptions? options = null, bool initialise = true)
    {
        var negotiation = new FuseNegotiation(options ?? new FuseSessionOptions(), this);
        Dispatcher = new RequestDispatcher(fileSystem, negotiation, new SessionRecords(null, 0), this, this);
        if (initialise)
        {
            Dispatch(Captured.Init);
            Replies.Clear();
        }
    }

    public RequestDispatcher Dispatcher { get; }

    /// <summary>Every message that went to the kernel.</summary>
    public ConcurrentQueue<Message> Replies { get; } = [];

    public ConcurrentQueue<string> Errors { get; } = [];

    public ConcurrentQueue<string> Warnings { get; } = [];

    /// <summary>Gets or sets the kernel's answer to the next messages.</summary>
    public Errno Kernel { get; set; } = Errno.None;

    /// <summary>A request's bytes: header, with the right length, and body.</summary>
    public static byte[] Request(FuseOpcode opcode, ulong unique, params ReadOnlySpan<byte> body)
    {
        var header = new FuseInHeader(
            (uint)(Unsafe.SizeOf<FuseInHeader>() + body.Length), opcode, unique, 2, 1000, 999, 4242, 0, 0);
        return [.. Bytes(header), .. body];
    }

    public static byte[] Bytes<T>(T value)
        where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).ToArray();

    public static byte[] Read(ulong unique, uint size = 4096) =>
        Request(FuseOpcode.Read, unique, Bytes(new FuseReadIn(7, 0, size, FuseReadFlags.LockOwner, 1, 0x8002, 0)));

    public static byte[] Interrupt(ulong unique) =>
        Request(FuseOpcode.Interrupt, unique | 1, Bytes(new FuseInterruptIn(unique)));

    public void Dispatch(ReadOnlySpan<byte> request) => Dispatcher.Dispatch(request, _slot);

    /// <summary>The one message there is; takes it off.</summary>
    public Message Reply()
    {
        Message reply = Assert.Single(Replies);
        Replies.Clear();
        return reply;
    }

    public Errno Write(in FuseOutHeader header, ReadOnlySpan<byte> body)
    {
        Replies.Enqueue(new Message(header, body.ToArray()));
        return Kernel;
    }

    public void Information(string message)
    {
    }

    public void Warning(string message) => Warnings.Enqueue(message);

    public void Error(string message, Exception? exception) => Errors.Enqueue(message);

    internal sealed record Message(FuseOutHeader Header, byte[] Body)
    {
        public Errno Error => new(-Header.Error);

        public string Hex => Convert.ToHexStringLower([.. Bytes(Header), .. Body]);
    }
}
