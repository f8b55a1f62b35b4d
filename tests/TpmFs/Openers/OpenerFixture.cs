using System.Buffers.Binary;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Fuse;
using TpmFs.Openers;

namespace TpmFs.Daemon.Tests.Openers;

/// <summary>One opener on a space whose TPM is the test.</summary>
internal sealed class OpenerFixture : IDisposable
{
    public const int MaxCommandSize = 4096;
    public const uint NonBlocking = 0x800;
    public const PollEvents Readable = PollEvents.In | PollEvents.ReadNormal;
    public const PollEvents Writable = PollEvents.Out | PollEvents.WriteNormal;

    public OpenerFixture()
    {
        Unread = new UnreadAnswers(Time);
        var identity = new OpenerIdentity(1, 1000, 4711, "test", "", "rm0", 0, Time.GetTimestamp());
        Opener = Opener.TryOpen(
            new OpenerContext(Time, Unread, new AnswerPool(), Notifier, Serilog.Core.Logger.None), identity,
            MaxCommandSize, client => Space = new FakeSpace(client), _ => Left++, _ => Released++)!;
    }

    public ManualTime Time { get; } = new();

    public FakeNotifier Notifier { get; } = new();

    public UnreadAnswers Unread { get; }

    public FakeSpace Space { get; private set; } = null!;

    public Opener Opener { get; }

    public int Left { get; private set; }

    public int Released { get; private set; }

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

    public Errno Write(byte[] data) => Opener.Write(default, data, out _);

    public FakeReply Read(int size = 4096, uint flags = 0)
    {
        var reply = new FakeReply();
        Opener.Read(new FuseReadArguments(Offset: 0, size, flags), reply.Token);
        return reply;
    }

    public PollEvents Poll(ulong? notify = null, PollEvents wanted = Readable) =>
        Opener.Poll(notify is { } id ? new PollId(id) : null, wanted);

    public void Dispose() => Unread.Dispose();
}
