using TpmFs.Fuse;
using TpmFs.Openers;
using TpmFs.Rm;
using static TpmFs.Daemon.Tests.Openers.OpenerFixture;

namespace TpmFs.Daemon.Tests.Openers;

/// <summary>
/// A command and its response make no garbage on their way through an opener, whenever the read and the poll come.
/// </summary>
public sealed class OpenerAllocationTests : IDisposable
{
    private const int Rounds = 1000;
    private static readonly byte[] s_command = Command();
    private readonly OpenerFixture _fixture = new();
    private readonly QuietReplies _replies = new();
    private readonly Opener _opener;
    private QuietSpace _space = null!;

    public OpenerAllocationTests()
    {
        var context = new OpenerContext(
            _fixture.Time, _fixture.Unread, new AnswerPool(), new QuietNotifier(), Serilog.Core.Logger.None);
        _opener = Opener.TryOpen(
            context, _fixture.Opener.Identity, MaxCommandSize, client => _space = new QuietSpace(client), _ => { },
            _ => { })!;
    }

    [Fact]
    public void A_read_after_the_response() => AssertNothingIsAllocated(() =>
    {
        Write();
        _space.Answer();
        Read();
    });

    [Fact]
    public void A_read_that_waits() => AssertNothingIsAllocated(() =>
    {
        Write();
        Read();
        _space.Answer();
    });

    [Fact]
    public void A_poll_that_is_notified() => AssertNothingIsAllocated(() =>
    {
        Write();
        _opener.Poll(new PollId(1), PollEvents.In);
        _space.Answer();
        _opener.Poll(new PollId(1), PollEvents.In);
        Read();
    });

    public void Dispose() => _fixture.Dispose();

    private void Write() => _opener.Write(default, s_command, out _);

    private void Read() =>
        _opener.Read(new FuseReadArguments(Offset: 0, 4096, Flags: 0), new FuseReadReply(_replies, 1));

    private void AssertNothingIsAllocated(Action exchange)
    {
        // Twice: what is made once, the first time through, is not a command's.
        long allocated = 0;
        for (int pass = 0; pass < 2; pass++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int round = 0; round < Rounds; round++)
            {
                exchange();
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(2 * Rounds, _replies.Completed);
        Assert.Equal(0, allocated);
    }

    private sealed class QuietSpace(ISpaceClient client) : Space
    {
        private readonly byte[] _response = new byte[200];

        public override int ObjectCount => 0;

        public override int SessionCount => 0;

        public void Answer() => client.Completed(_response);

        public override bool TrySubmit(ReadOnlySpan<byte> command, bool lends = false) => true;

        public override void Lend()
        {
        }

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
        public void NotifyPoll(PollId poll)
        {
        }
    }
}
