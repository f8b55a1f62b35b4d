using System.Buffers.Binary;
using TpmFs.Clients;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

/// <summary>One open file on a space whose TPM is the test.</summary>
internal sealed class TpmFileFixture : IConversationKeeper, IDisposable
{
    public const int MaxCommandSize = 4096;
    public const uint NonBlocking = 0x800;
    public const PollEvents Readable = PollEvents.In | PollEvents.ReadNormal;
    public const PollEvents Writable = PollEvents.Out | PollEvents.WriteNormal;

    public TpmFileFixture()
    {
        Context = new ConversationContext(Time, Serilog.Core.Logger.None);
        Conversation = Conversation.TryBegin(
            Context, IdentityOf(1, Time.GetTimestamp()), MaxCommandSize, client => Space = new FakeSpace(client),
            this)!;
        File = new TpmFile(Conversation, Notifier);
    }

    public ManualTime Time { get; } = new();

    public FakeNotifier Notifier { get; } = new();

    public ConversationContext Context { get; }

    public FakeSpace Space { get; private set; } = null!;

    public Conversation Conversation { get; }

    public TpmFile File { get; }

    /// <summary>Gets the number of times that the keeper was told that the conversation was revoked.</summary>
    public int Ended { get; private set; }

    /// <summary>Gets the number of times that the keeper was told that the client is gone.</summary>
    public int Left { get; private set; }

    public static ConversationIdentity IdentityOf(ulong id, long begunAt = 0) =>
        new(id, new Client(1000, 4711, "test"), "", new TpmNodeAddress("rm0", 0, 0, IsRaw: false), begunAt);

    /// <summary>A command of a size, whose header says <paramref name="stated"/>.</summary>
    public static byte[] Command(int size = 12, uint? stated = null)
    {
        byte[] command = new byte[size];
        if (size >= 6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(command, 0x8001);
            BinaryPrimitives.WriteUInt32BigEndian(command.AsSpan(2), stated ?? (uint)size);
        }

        return command;
    }

    public Errno Write(byte[] data) => File.Write(default, data, out _);

    public FakeReply Read(int size = 4096, uint flags = 0)
    {
        var reply = new FakeReply();
        File.Read(new FuseReadArguments(Offset: 0, size, flags), reply.Token);
        return reply;
    }

    public PollEvents Poll(ulong? notify = null, PollEvents wanted = Readable) =>
        File.Poll(notify is { } id ? new PollId(id) : null, wanted);

    void IConversationKeeper.Ended(Conversation conversation) => Ended++;

    void IConversationKeeper.Left(Conversation conversation) => Left++;

    public void Dispose() => Context.Dispose();
}
