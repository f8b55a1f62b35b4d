using TpmFs.Clients;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>The door that a file is, asked as the kernel asks.</summary>
internal sealed class FuseDoor : IClientDoor
{
    private const uint NonBlocking = 0x800;

    private readonly FakeNotifier _notifier = new();
    private readonly TpmFile _file;
    private ulong _lastPoll;

    public FuseDoor(Conversation conversation) => _file = new TpmFile(conversation, _notifier);

    public int? Woken => _notifier.Polls.Count;

    public Readiness Ready => Of(_file.Poll(null, default));

    public Errno Write(byte[] data)
    {
        Errno error = _file.Write(new FuseWriteArguments(Offset: 7, Flags: 0), data, out int written);
        Assert.Equal(error.IsError ? 0 : data.Length, written);
        return error;
    }

    public IClientRead Read(int size, bool blocks)
    {
        var read = new FuseRead();
        _file.Read(new FuseReadArguments(Offset: 7, size, blocks ? 0 : NonBlocking), read.Reply.Token);
        return read;
    }

    public void Poll(Readiness wanted) => _file.Poll(new PollId(++_lastPoll), EventsOf(wanted));

    public void Close() => _file.Release();

    private static PollEvents EventsOf(Readiness wanted) =>
        (wanted.HasFlag(Readiness.Readable) ? PollEvents.In : 0)
            | (wanted.HasFlag(Readiness.Writable) ? PollEvents.Out : 0);

    private static Readiness Of(PollEvents ready) => ready switch
    {
        PollEvents.In | PollEvents.ReadNormal => Readiness.Readable,
        PollEvents.Out | PollEvents.WriteNormal => Readiness.Writable,
        PollEvents.Err | PollEvents.Hup => Readiness.Ended,
        _ => throw new InvalidOperationException($"A file is never {ready}."),
    };

    private sealed class FuseRead : IClientRead
    {
        public FakeReply Reply { get; } = new();

        public bool IsAnswered => Reply.Answered;

        public (byte[] Data, Errno Error) Result
        {
            get
            {
                Assert.Equal(1, Reply.Answers);
                return (Reply.Data, Reply.Error);
            }
        }

        public void Interrupt() => Reply.Interrupt();
    }
}
