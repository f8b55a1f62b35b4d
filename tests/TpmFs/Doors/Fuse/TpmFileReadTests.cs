using TpmFs.Clients;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Fuse;
using TpmFs.Rm;
using static TpmFs.Daemon.Tests.Doors.Fuse.TpmFileFixture;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

public sealed class TpmFileReadTests : IDisposable
{
    private readonly TpmFileFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData(0u)]
    [InlineData(NonBlocking)]
    public void A_read_with_nothing_pending_gets_zero_bytes(uint flags)
    {
        FakeReply reply = _fixture.Read(flags: flags);

        Assert.Equal(Errno.None, reply.Error);
        Assert.Empty(reply.Data);
    }

    [Fact]
    public void A_response_is_read_once()
    {
        _fixture.Write(Command());
        _fixture.Space.Answer(1, 2, 3);

        Assert.Equal([1, 2, 3], _fixture.Read().Data);
        Assert.Empty(_fixture.Read().Data);
        Assert.Equal(Errno.None, _fixture.Write(Command()));
    }

    [Fact]
    public void Partial_reads_go_on_where_the_last_one_ended()
    {
        _fixture.Write(Command());
        _fixture.Space.Answer(1, 2, 3, 4, 5);

        Assert.Equal([1, 2], _fixture.Read(size: 2).Data);
        Assert.Equal([3, 4], _fixture.Read(size: 2, NonBlocking).Data);
        Assert.Equal([5], _fixture.Read(size: 2).Data);
        Assert.Empty(_fixture.Read(size: 2).Data);
    }

    [Fact]
    public void A_non_blocking_read_while_a_command_is_under_way_is_EAGAIN()
    {
        _fixture.Write(Command());

        Assert.Equal(Errno.EAGAIN, _fixture.Read(flags: NonBlocking).Error);

        _fixture.Space.Answer(1);
        Assert.Equal([1], _fixture.Read(flags: NonBlocking).Data);
    }

    /// <summary>
    /// One client could have any number of reads wait on one opener, each of which takes the daemon's memory.
    /// </summary>
    [Fact]
    public void No_more_than_256_reads_of_an_opener_wait_and_an_interrupted_one_makes_room()
    {
        _fixture.Write(Command());
        FakeReply[] waiting = [.. Enumerable.Range(0, 256).Select(_ => _fixture.Read())];
        ConversationActivity activity = _fixture.Conversation.Activity;
        Assert.Equal((ConversationState.Running, 256), (activity.State, activity.WaitingReads));

        Assert.Equal(Errno.EBUSY, _fixture.Read().Error);
        waiting[7].Interrupt();
        FakeReply last = _fixture.Read();
        Assert.False(last.Answered);

        _fixture.Space.Answer(1);
        Assert.Equal([1], waiting[0].Data);
        Assert.Equal(Errno.EINTR, waiting[7].Error);
        Assert.All(waiting[8..], read => Assert.Empty(read.Data));
        Assert.Empty(last.Data);
        Assert.Equal(0, _fixture.Conversation.Activity.WaitingReads);
    }

    [Fact]
    public void A_blocking_read_while_a_command_is_under_way_waits_for_the_response()
    {
        _fixture.Write(Command());
        FakeReply reply = _fixture.Read();
        Assert.False(reply.Answered);

        _fixture.Space.Answer(1, 2);

        Assert.Equal([1, 2], reply.Data);
        Assert.Equal(Errno.None, _fixture.Write(Command()));
    }

    [Fact]
    public void Of_several_waiting_reads_the_oldest_gets_the_response_and_the_others_nothing()
    {
        _fixture.Write(Command());
        FakeReplies(out FakeReply? first, out FakeReply? second, out FakeReply? third);

        _fixture.Space.Answer(1, 2, 3);

        Assert.Equal([1, 2, 3], first.Data);
        Assert.Empty(second.Data);
        Assert.Empty(third.Data);
        Assert.All([first, second, third], reply => Assert.Equal((Errno.None, 1), (reply.Error, reply.Answers)));
    }

    [Fact]
    public void Several_waiting_reads_that_are_small_share_the_response_in_their_order()
    {
        _fixture.Write(Command());
        FakeReply first = _fixture.Read(size: 2);
        FakeReply second = _fixture.Read(size: 2);
        _fixture.Space.Answer(1, 2, 3, 4, 5);

        Assert.Equal([1, 2], first.Data);
        Assert.Equal([3, 4], second.Data);
        Assert.Equal([5], _fixture.Read().Data);
    }

    [Theory]
    [InlineData(SpaceFailure.TransportLost, 5)]
    [InlineData(SpaceFailure.TimedOut, 62)]
    [InlineData(SpaceFailure.Stopping, 5)]
    public void A_failed_command_is_the_errno_of_the_next_read_and_of_no_other(SpaceFailure failure, int errno)
    {
        _fixture.Write(Command());
        _fixture.Space.Fail(failure);

        Assert.Equal(new Errno(errno), _fixture.Read().Error);
        Assert.Equal(Errno.None, _fixture.Read().Error);
        Assert.Equal(Errno.None, _fixture.Write(Command()));
    }

    [Fact]
    public void A_failed_command_ends_the_waiting_read()
    {
        _fixture.Write(Command());
        FakeReplies(out FakeReply? first, out FakeReply? second, out _);

        _fixture.Space.Fail(SpaceFailure.TransportLost);

        Assert.Equal(Errno.EIO, first.Error);
        Assert.Equal(Errno.None, second.Error);
    }

    [Fact]
    public void An_interrupted_read_is_EINTR_and_the_response_stays_for_the_next_one()
    {
        _fixture.Write(Command());
        FakeReply interrupted = _fixture.Read();

        interrupted.Interrupt();
        Assert.Equal(Errno.EINTR, interrupted.Error);

        _fixture.Space.Answer(1, 2);
        Assert.Equal([1, 2], _fixture.Read().Data);
        Assert.Equal(1, interrupted.Answers);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void An_interrupt_ends_only_the_read_that_it_is_for(int which)
    {
        _fixture.Write(Command());
        FakeReplies(out FakeReply? first, out FakeReply? second, out FakeReply? third);
        Fakes.FakeReply[] all = [first, second, third];

        all[which].Interrupt();
        FakeReply later = _fixture.Read(size: 1);
        _fixture.Space.Answer(1, 2, 3);

        Assert.Equal(Errno.EINTR, all[which].Error);
        FakeReply[] others = all.Where(reply => reply != all[which]).ToArray();
        Assert.Equal([1, 2, 3], others[0].Data);
        Assert.Empty(others[1].Data);
        Assert.Empty(later.Data);
    }

    [Fact]
    public void An_interrupt_after_the_answer_changes_nothing()
    {
        _fixture.Write(Command());
        FakeReply reply = _fixture.Read();
        _fixture.Space.Answer(1);

        reply.Interrupt();

        Assert.Equal([1], reply.Data);
        Assert.Equal(1, reply.Answers);
    }

    [Fact]
    public void An_interrupt_that_comes_before_the_read_is_queued_still_ends_it()
    {
        _fixture.Write(Command());
        var reply = new Fakes.FakeReply();
        reply.OnKeep = reply.Interrupt;

        _fixture.File.Read(new FuseReadArguments(0, 4096, 0), reply.Token);

        Assert.Equal(Errno.EINTR, reply.Error);
        _fixture.Space.Answer(1);
        Assert.Equal(1, reply.Answers);
        Assert.Equal([1], _fixture.Read().Data);
    }

    [Fact]
    public void A_response_that_comes_before_the_read_is_queued_is_not_missed()
    {
        _fixture.Write(Command());
        var reply = new Fakes.FakeReply { OnKeep = () => _fixture.Space.Answer(1, 2) };

        _fixture.File.Read(new FuseReadArguments(0, 4096, 0), reply.Token);

        Assert.Equal([1, 2], reply.Data);
        reply.Interrupt();
        Assert.Equal(1, reply.Answers);
    }

    [Fact]
    public void A_client_may_write_the_next_command_from_within_the_reply()
    {
        _fixture.Write(Command());
        bool called = false;
        var reply = new Fakes.FakeReply
        {
            OnComplete = () =>
            {
                var other = new Thread(() => Assert.Equal(Errno.None, _fixture.Write(Command())));
                other.Start();
                called = other.Join(TimeSpan.FromSeconds(30));
            },
        };
        _fixture.File.Read(new FuseReadArguments(0, 4096, 0), reply.Token);

        _fixture.Space.Answer(1);

        Assert.True(called, "the opener held its lock while it answered");
        Assert.Equal(2, _fixture.Space.Submitted.Count);
    }

    private void FakeReplies(out Fakes.FakeReply first, out Fakes.FakeReply second, out Fakes.FakeReply third)
    {
        first = _fixture.Read();
        second = _fixture.Read();
        third = _fixture.Read();
    }
}
