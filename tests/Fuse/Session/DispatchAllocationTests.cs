using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;
using TpmFs.TestSupport;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>The requests that a command consists of make no garbage.</summary>
public sealed class DispatchAllocationTests
{
    [Fact]
    public void Write_poll_and_read_allocate_nothing()
    {
        var output = new CountingOutput();
        var log = new DispatcherFixture(new QuietFileSystem());
        var dispatcher = new RequestDispatcher(
            new QuietFileSystem(), new FuseNegotiation(new FuseSessionOptions(), log), new SessionRecords(null, 0),
            output, log);
        RequestSlot reply = SlotDispatch.NewSlot();
        dispatcher.Dispatch(Captured.Init, reply);
        byte[] write = DispatcherFixture.Request(
            FuseOpcode.Write, 2, [.. DispatcherFixture.Bytes(new FuseWriteIn(7, 0, 4, 0, 0, 0x8002, 0)), 1, 2, 3, 4]);
        byte[] poll = DispatcherFixture.Request(
            FuseOpcode.Poll, 4,
            DispatcherFixture.Bytes(new FusePollIn(7, 9, FusePollFlags.ScheduleNotify, PollEvents.In)));
        byte[] read = DispatcherFixture.Read(6);

        int rounds = 0;
        long allocated = SteadyWork.AllocatedBy(() =>
        {
            rounds++;
            dispatcher.Lend(dispatcher.Dispatch(write, reply)!.Value);
            dispatcher.Dispatch(poll, reply);
            dispatcher.Dispatch(read, reply);
        });

        Assert.Equal(1 + (rounds * 3), output.Replies);
        Assert.Equal(0, allocated);
    }

    private sealed class QuietFileSystem : BareFileSystem, IFuseInterruptible
    {
        private FuseReadReply _kept;

        public override Errno Write(
            in FuseCaller caller, NodeId node, OpenId open, in FuseWriteArguments arguments, ReadOnlySpan<byte> data,
            out int written)
        {
            written = data.Length;
            return Errno.None;
        }

        public override void Read(
            in FuseCaller caller, NodeId node, OpenId open, in FuseReadArguments arguments, FuseReadReply reply)
        {
            _kept = reply;
            reply.Keep(this);
            _kept.Complete("response"u8);
        }

        public void Interrupted(FuseReadReply reply) => reply.Fail(Errno.EINTR);
    }

    private sealed class CountingOutput : IFuseOutput
    {
        public int Replies { get; private set; }

        public Errno Write(in FuseOutHeader header, ReadOnlySpan<byte> body)
        {
            Replies++;
            return Errno.None;
        }
    }
}
