using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Rm;
using static TpmFs.Daemon.Tests.Doors.Fuse.TpmFileFixture;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

/// <summary>
/// A command and its response make no garbage on their way through a file, whenever the read and the poll come.
/// </summary>
public sealed class TpmFileAllocationTests : IDisposable
{
    private static readonly byte[] s_command = Command();
    private readonly TpmFileFixture _fixture = new();
    private readonly QuietReplies _replies = new();
    private readonly TpmFile _file;
    private QuietSpace _space = null!;

    public TpmFileAllocationTests()
    {
        Conversation conversation = Conversation.TryBegin(
            _fixture.Context, IdentityOf(2), MaxCommandSize, client => _space = new QuietSpace(client), _fixture)!;
        _file = new TpmFile(conversation, new QuietNotifier());
    }

    [Fact]
    public void A_read_after_the_response_allocates_nothing() => AssertNothingIsAllocated(() =>
    {
        Write();
        _space.Answer();
        Read();
    });

    [Fact]
    public void A_read_that_waits_allocates_nothing() => AssertNothingIsAllocated(() =>
    {
        Write();
        Read();
        _space.Answer();
    });

    [Fact]
    public void A_poll_that_is_notified_allocates_nothing() => AssertNothingIsAllocated(() =>
    {
        Write();
        _file.Poll(new PollId(1), PollEvents.In);
        _space.Answer();
        _file.Poll(new PollId(1), PollEvents.In);
        Read();
    });

    public void Dispose() => _fixture.Dispose();

    private void Write() => _file.Write(default, s_command, out _);

    private void Read() =>
        _file.Read(new FuseReadArguments(Offset: 0, 4096, Flags: 0), new FuseReadReply(_replies, 1));

    private void AssertNothingIsAllocated(Action exchange)
    {
        int rounds = 0;
        long allocated = SteadyWork.AllocatedBy(() =>
        {
            rounds++;
            exchange();
        });

        Assert.Equal(rounds, _replies.Completed);
        Assert.Equal(0, allocated);
    }

    private sealed class QuietSpace(ISpaceClient client) : Space
    {
        public override SpaceId Id => default;

        private readonly byte[] _response = new byte[200];

        public override byte Locality { get; set; }

        public override int ObjectCount => 0;

        public override int SessionCount => 0;

        public void Answer() => client.Completed(_response);

        public override bool TrySubmit(ReadOnlySpan<byte> command, bool lends = false) => true;

        public override LendResult Lend() => LendResult.Nothing;

        public override void Cancel()
        {
        }

        public override void Close()
        {
        }
    }

    private sealed class QuietReplies : IFuseReadReplies
    {
        public int Completed { get; private set; }

        public void Keep(FuseReadReply reply, IFuseInterruptible owner)
        {
        }

        public void Note(FuseReadReply reply, in FuseReadNote note)
        {
        }

        public bool Complete(FuseReadReply reply, ReadOnlySpan<byte> data)
        {
            Completed++;
            return true;
        }

        public void Fail(FuseReadReply reply, Errno error) =>
            throw new InvalidOperationException($"A read failed: {error}.");
    }

    private sealed class QuietNotifier : IFuseNotifier
    {
        public void NotifyPoll(PollId poll, IFusePolled? polled = null)
        {
        }
    }
}
