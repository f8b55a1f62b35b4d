using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;
using TpmFs.TestSupport;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>
/// A read is answered once, whatever the filesystem, the kernel and the session's end do at the same time.
/// </summary>
public sealed class ReadReplyTests
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);
    private readonly RecordingFileSystem _fileSystem = new();
    private readonly DispatcherFixture _fixture;

    public ReadReplyTests()
    {
        _fixture = new DispatcherFixture(_fileSystem);
    }

    [Fact]
    public void A_kept_read_is_answered_later_from_another_thread()
    {
        _fixture.Dispatch(DispatcherFixture.Read(10));
        Assert.Empty(_fixture.Replies);
        Assert.Equal(1, _fixture.Dispatcher.PendingReads);

        bool taken = false;
        var thread = new Thread(() => taken = _fileSystem.LastRead.Complete("late"u8));
        thread.Start();
        Assert.True(thread.Join(s_deadline));

        Assert.True(taken);
        DispatcherFixture.Message reply = _fixture.Reply();
        Assert.Equal(10u, reply.Header.Unique);
        Assert.Equal("late"u8.ToArray(), reply.Body);
        Assert.Equal(0, _fixture.Dispatcher.PendingReads);
    }

    [Fact]
    public void A_read_that_is_neither_answered_nor_kept_gets_eio_and_a_log_line()
    {
        _fileSystem.OnRead = _ => { };

        _fixture.Dispatch(DispatcherFixture.Read(10));

        Assert.Equal(Errno.EIO, _fixture.Reply().Error);
        Assert.Single(_fixture.Errors);
    }

    [Fact]
    public void A_second_answer_does_nothing_and_is_logged()
    {
        _fileSystem.OnRead = read =>
        {
            Assert.True(read.Complete("first"u8));
            Assert.False(read.Complete("second"u8));
            read.Fail(Errno.EIO);
        };

        _fixture.Dispatch(DispatcherFixture.Read(10));

        Assert.Equal("first"u8.ToArray(), _fixture.Reply().Body);
        Assert.Equal(2, _fixture.Errors.Count);
    }

    [Fact]
    public void A_late_answer_cannot_hit_the_read_that_came_after()
    {
        _fixture.Dispatch(DispatcherFixture.Read(10));
        FuseReadReply old = _fileSystem.LastRead;
        Assert.True(old.Complete("old"u8));
        _fixture.Replies.Clear();
        _fixture.Dispatch(DispatcherFixture.Read(12));

        Assert.False(old.Complete("old"u8));
        old.Fail(Errno.EINTR);

        Assert.Empty(_fixture.Replies);
        Assert.True(_fileSystem.LastRead.Complete("new"u8));
        Assert.Equal(12u, _fixture.Reply().Header.Unique);
    }

    [Fact]
    public void More_bytes_than_were_asked_for_become_eio()
    {
        _fixture.Dispatch(DispatcherFixture.Read(10, size: 3));

        Assert.False(_fileSystem.LastRead.Complete("four"u8));

        Assert.Equal(Errno.EIO, _fixture.Reply().Error);
        Assert.Single(_fixture.Errors);
    }

    [Fact]
    public void Complete_says_when_the_kernel_no_longer_waits()
    {
        _fixture.Dispatch(DispatcherFixture.Read(10));
        _fixture.Kernel = Errno.ENOENT;

        Assert.False(_fileSystem.LastRead.Complete("x"u8));
        Assert.Empty(_fixture.Errors);
    }

    [Fact]
    public void A_handler_that_throws_after_keeping_its_read_has_it_answered_with_eio()
    {
        _fileSystem.Failure = new InvalidOperationException();

        _fixture.Dispatch(DispatcherFixture.Read(10));

        Assert.Equal(Errno.EIO, _fixture.Reply().Error);
        Assert.Equal(0, _fixture.Dispatcher.PendingReads);
    }

    /// <summary>
    /// Regression: it was answered with EAGAIN. Where another thread took long for the request, the kernel sent it
    /// again without end, and before all other requests, so that none of them was served.
    /// </summary>
    [Fact]
    public void The_captured_interrupt_of_an_unknown_request_is_not_answered()
    {
        _fixture.Dispatch(Captured.Interrupt);
        Assert.Empty(_fixture.Replies);
    }

    [Fact]
    public void An_interrupt_that_overtook_its_read_ends_it()
    {
        _fileSystem.OnInterrupt = read => read.Fail(Errno.EINTR);
        _fixture.Dispatch(DispatcherFixture.Interrupt(10));
        Assert.Empty(_fixture.Replies);

        _fixture.Dispatch(DispatcherFixture.Read(10));

        DispatcherFixture.Message reply = _fixture.Reply();
        Assert.Equal(Errno.EINTR, reply.Error);
        Assert.Equal(10u, reply.Header.Unique);
    }

    [Fact]
    public void An_interrupt_while_the_handler_runs_reaches_the_keeper_after_it()
    {
        _fileSystem.OnInterrupt = read => read.Fail(Errno.EINTR);
        _fileSystem.OnRead = read =>
        {
            _fixture.Dispatch(DispatcherFixture.Interrupt(10));
            read.Keep(_fileSystem);
            Assert.DoesNotContain("interrupted 10", _fileSystem.Calls);
        };

        _fixture.Dispatch(DispatcherFixture.Read(10));

        Assert.Contains("interrupted 10", _fileSystem.Calls);
        Assert.Equal(Errno.EINTR, _fixture.Reply().Error);
    }

    [Fact]
    public void An_interrupt_of_a_read_that_was_answered_is_ignored()
    {
        _fixture.Dispatch(DispatcherFixture.Read(10));
        _fileSystem.LastRead.Complete("x"u8);
        _fixture.Replies.Clear();

        _fixture.Dispatch(DispatcherFixture.Interrupt(10));

        Assert.Empty(_fixture.Replies);
        Assert.DoesNotContain("interrupted 10", _fileSystem.Calls);
    }

    [Fact]
    public void Bytes_that_lost_to_an_interrupt_are_told_to_be_still_there_and_nothing_is_logged()
    {
        _fileSystem.OnInterrupt = read => read.Fail(Errno.EINTR);
        _fixture.Dispatch(DispatcherFixture.Read(10));
        _fixture.Dispatch(DispatcherFixture.Interrupt(10));

        Assert.False(_fileSystem.LastRead.Complete("x"u8));

        Assert.Equal(Errno.EINTR, _fixture.Reply().Error);
        Assert.Empty(_fixture.Errors);
    }

    [Fact]
    public void A_keeper_that_throws_at_an_interrupt_is_logged_and_its_read_waits_on()
    {
        _fileSystem.OnInterrupt = _ => throw new InvalidOperationException();
        _fixture.Dispatch(DispatcherFixture.Read(10));

        _fixture.Dispatch(DispatcherFixture.Interrupt(10));

        Assert.Single(_fixture.Errors);
        Assert.True(_fileSystem.LastRead.Complete("x"u8));
    }

    [Fact]
    public void Completion_and_interrupt_at_once_give_one_answer_each_time()
    {
        const int Rounds = 20_000;
        _fileSystem.OnInterrupt = read => read.Fail(Errno.EINTR);
        using var barrier = new Barrier(2);
        int taken = 0;
        var worker = new Thread(() =>
        {
            for (int i = 0; i < Rounds; i++)
            {
                barrier.SignalAndWait(s_deadline);
                taken += _fileSystem.LastRead.Complete("x"u8) ? 1 : 0;
                barrier.SignalAndWait(s_deadline);
            }
        });
        worker.Start();

        for (int i = 0; i < Rounds; i++)
        {
            ulong unique = 10 + (2 * (ulong)i);
            _fixture.Dispatch(DispatcherFixture.Read(unique));
            barrier.SignalAndWait(s_deadline);
            _fixture.Dispatch(DispatcherFixture.Interrupt(unique));
            barrier.SignalAndWait(s_deadline);
        }

        Assert.True(worker.Join(s_deadline));
        DispatcherFixture.Message[] answers = _fixture.Replies.Where(reply => reply.Header.Unique % 2 == 0).ToArray();
        Assert.Equal(Rounds, answers.Length);
        Assert.Equal(Rounds, answers.Select(reply => reply.Header.Unique).Distinct().Count());
        Assert.Equal(taken, answers.Count(reply => reply.Error == Errno.None));
        Assert.Empty(_fixture.Errors);
    }

    [Fact]
    public void At_the_end_every_read_that_waits_is_answered_and_later_answers_do_nothing()
    {
        _fixture.Dispatch(DispatcherFixture.Read(10));
        FuseReadReply first = _fileSystem.LastRead;
        _fixture.Dispatch(DispatcherFixture.Read(12));

        _fixture.Dispatcher.Close(Errno.ENODEV);

        Assert.Equal([10UL, 12UL], _fixture.Replies.Select(reply => reply.Header.Unique).Order());
        Assert.All(_fixture.Replies, reply => Assert.Equal(Errno.ENODEV, reply.Error));
        Assert.False(first.Complete("x"u8));
        first.Fail(Errno.EINTR);
        Assert.Equal(2, _fixture.Replies.Count);
        Assert.Empty(_fixture.Errors);
    }

    [Fact]
    public void Steady_reads_allocate_nothing()
    {
        var silent = new SilentFileSystem();
        var dispatcher = new RequestDispatcher(
            silent, new FuseNegotiation(new FuseSessionOptions(), _fixture), new SessionRecords(null, 0), new Sink(),
            _fixture);
        RequestSlot buffer = SlotDispatch.NewSlot();
        dispatcher.Dispatch(Captured.Init, buffer);
        byte[] read = DispatcherFixture.Read(10);

        Assert.Equal(0, SteadyWork.AllocatedBy(() =>
        {
            dispatcher.Dispatch(read, buffer);
            silent.Kept.Complete("bytes"u8);
        }));
    }

    private sealed class Sink : IFuseOutput
    {
        public Errno Write(in FuseOutHeader header, ReadOnlySpan<byte> body) => Errno.None;
    }

    private sealed class SilentFileSystem : BareFileSystem, IFuseInterruptible
    {
        public FuseReadReply Kept { get; private set; }

        public override void Read(
            in FuseCaller caller, NodeId node, OpenId open, in FuseReadArguments arguments, FuseReadReply reply)
        {
            reply.Keep(this);
            Kept = reply;
        }

        public void Interrupted(FuseReadReply reply)
        {
        }
    }
}
