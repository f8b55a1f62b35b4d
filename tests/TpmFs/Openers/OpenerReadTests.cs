using TpmFs.Fuse;
using TpmFs.Rm;
using static TpmFs.Daemon.Tests.Openers.OpenerFixture;

namespace TpmFs.Daemon.Tests.Openers;

public sealed class OpenerReadTests : IDisposable
{
    private readonly OpenerFixture fixture = new();

    public void Dispose() => fixture.Dispose();

    [Theory]
    [InlineData(0u)]
    [InlineData(NonBlocking)]
    public void A_read_with_nothing_pending_gets_zero_bytes(uint flags)
    {
        var reply = fixture.Read(flags: flags);

        Assert.Equal(Errno.None, reply.Error);
        Assert.Empty(reply.Data);
    }

    [Fact]
    public void A_response_is_read_once()
    {
        fixture.Write(Command());
        fixture.Space.Answer(1, 2, 3);

        Assert.Equal([1, 2, 3], fixture.Read().Data);
        Assert.Empty(fixture.Read().Data);
        Assert.Equal(Errno.None, fixture.Write(Command()));
    }

    [Fact]
    public void Partial_reads_go_on_where_the_last_one_ended()
    {
        fixture.Write(Command());
        fixture.Space.Answer(1, 2, 3, 4, 5);

        Assert.Equal([1, 2], fixture.Read(size: 2).Data);
        Assert.Equal([3, 4], fixture.Read(size: 2, NonBlocking).Data);
        Assert.Equal([5], fixture.Read(size: 2).Data);
        Assert.Empty(fixture.Read(size: 2).Data);
    }

    [Fact]
    public void A_non_blocking_read_while_a_command_is_under_way_is_EAGAIN()
    {
        fixture.Write(Command());

        Assert.Equal(Errno.EAGAIN, fixture.Read(flags: NonBlocking).Error);

        fixture.Space.Answer(1);
        Assert.Equal([1], fixture.Read(flags: NonBlocking).Data);
    }

    [Fact]
    public void A_blocking_read_while_a_command_is_under_way_waits_for_the_response()
    {
        fixture.Write(Command());
        var reply = fixture.Read();
        Assert.False(reply.Answered);

        fixture.Space.Answer(1, 2);

        Assert.Equal([1, 2], reply.Data);
        Assert.Equal(Errno.None, fixture.Write(Command()));
    }

    [Fact]
    public void Of_several_waiting_reads_the_oldest_gets_the_response_and_the_others_nothing()
    {
        fixture.Write(Command());
        FakeReplies(out var first, out var second, out var third);

        fixture.Space.Answer(1, 2, 3);

        Assert.Equal([1, 2, 3], first.Data);
        Assert.Empty(second.Data);
        Assert.Empty(third.Data);
        Assert.All([first, second, third], reply => Assert.Equal((Errno.None, 1), (reply.Error, reply.Answers)));
    }

    [Fact]
    public void Several_waiting_reads_that_are_small_share_the_response_in_their_order()
    {
        fixture.Write(Command());
        var first = fixture.Read(size: 2);
        var second = fixture.Read(size: 2);
        fixture.Space.Answer(1, 2, 3, 4, 5);

        Assert.Equal([1, 2], first.Data);
        Assert.Equal([3, 4], second.Data);
        Assert.Equal([5], fixture.Read().Data);
    }

    [Theory]
    [InlineData(SpaceFailure.TransportLost, 5)]
    [InlineData(SpaceFailure.TimedOut, 62)]
    [InlineData(SpaceFailure.Stopping, 5)]
    public void A_failed_command_is_the_errno_of_the_next_read_and_of_no_other(SpaceFailure failure, int errno)
    {
        fixture.Write(Command());
        fixture.Space.Fail(failure);

        Assert.Equal(new Errno(errno), fixture.Read().Error);
        Assert.Equal(Errno.None, fixture.Read().Error);
        Assert.Equal(Errno.None, fixture.Write(Command()));
    }

    [Fact]
    public void A_failed_command_ends_the_waiting_read()
    {
        fixture.Write(Command());
        FakeReplies(out var first, out var second, out _);

        fixture.Space.Fail(SpaceFailure.TransportLost);

        Assert.Equal(Errno.EIO, first.Error);
        Assert.Equal(Errno.None, second.Error);
    }

    [Fact]
    public void An_interrupted_read_is_EINTR_and_the_response_stays_for_the_next_one()
    {
        fixture.Write(Command());
        var interrupted = fixture.Read();

        interrupted.Interrupt();
        Assert.Equal(Errno.EINTR, interrupted.Error);

        fixture.Space.Answer(1, 2);
        Assert.Equal([1, 2], fixture.Read().Data);
        Assert.Equal(1, interrupted.Answers);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void An_interrupt_ends_only_the_read_that_it_is_for(int which)
    {
        fixture.Write(Command());
        FakeReplies(out var first, out var second, out var third);
        Fakes.FakeReply[] all = [first, second, third];

        all[which].Interrupt();
        var later = fixture.Read(size: 1);
        fixture.Space.Answer(1, 2, 3);

        Assert.Equal(Errno.EINTR, all[which].Error);
        var others = all.Where(reply => reply != all[which]).ToArray();
        Assert.Equal([1, 2, 3], others[0].Data);
        Assert.Empty(others[1].Data);
        Assert.Empty(later.Data);
    }

    [Fact]
    public void An_interrupt_after_the_answer_changes_nothing()
    {
        fixture.Write(Command());
        var reply = fixture.Read();
        fixture.Space.Answer(1);

        reply.Interrupt();

        Assert.Equal([1], reply.Data);
        Assert.Equal(1, reply.Answers);
    }

    [Fact]
    public void An_interrupt_that_comes_before_the_read_is_queued_still_ends_it()
    {
        fixture.Write(Command());
        var reply = new Fakes.FakeReply();
        reply.OnKeep = reply.Interrupt;

        fixture.Opener.Read(new FuseReadArguments(0, 4096, 0), reply.Token);

        Assert.Equal(Errno.EINTR, reply.Error);
        fixture.Space.Answer(1);
        Assert.Equal(1, reply.Answers);
        Assert.Equal([1], fixture.Read().Data);
    }

    [Fact]
    public void A_response_that_comes_before_the_read_is_queued_is_not_missed()
    {
        fixture.Write(Command());
        var reply = new Fakes.FakeReply { OnKeep = () => fixture.Space.Answer(1, 2) };

        fixture.Opener.Read(new FuseReadArguments(0, 4096, 0), reply.Token);

        Assert.Equal([1, 2], reply.Data);
        reply.Interrupt();
        Assert.Equal(1, reply.Answers);
    }

    [Fact]
    public void Who_gets_the_response_may_write_the_next_command_from_within_the_reply()
    {
        fixture.Write(Command());
        var called = false;
        var reply = new Fakes.FakeReply
        {
            OnComplete = () =>
            {
                var other = new Thread(() => Assert.Equal(Errno.None, fixture.Write(Command())));
                other.Start();
                called = other.Join(TimeSpan.FromSeconds(30));
            },
        };
        fixture.Opener.Read(new FuseReadArguments(0, 4096, 0), reply.Token);

        fixture.Space.Answer(1);

        Assert.True(called, "the opener held its lock while it answered");
        Assert.Equal(2, fixture.Space.Submitted.Count);
    }

    private void FakeReplies(out Fakes.FakeReply first, out Fakes.FakeReply second, out Fakes.FakeReply third)
    {
        first = fixture.Read();
        second = fixture.Read();
        third = fixture.Read();
    }
}
