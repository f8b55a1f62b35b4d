using TpmFs.Fuse;
using TpmFs.Rm;
using static TpmFs.Daemon.Tests.Openers.OpenerFixture;

namespace TpmFs.Daemon.Tests.Openers;

public sealed class OpenerPollTests : IDisposable
{
    private readonly OpenerFixture fixture = new();

    public void Dispose() => fixture.Dispose();

    [Fact]
    public void Poll_is_exactly_readable_with_a_response_and_exactly_writable_without()
    {
        Assert.Equal(Writable, fixture.Poll());
        fixture.Write(Command());
        Assert.Equal(Writable, fixture.Poll());
        fixture.Space.Answer(1, 2);
        Assert.Equal(Readable, fixture.Poll());
        fixture.Read(size: 1);
        Assert.Equal(Readable, fixture.Poll());
        fixture.Read(size: 1);
        Assert.Equal(Writable, fixture.Poll());
    }

    [Fact]
    public void An_error_of_a_command_is_readable()
    {
        fixture.Write(Command());
        fixture.Space.Fail(SpaceFailure.TimedOut);

        Assert.Equal(Readable, fixture.Poll());
    }

    [Fact]
    public void All_who_poll_are_notified_once_when_the_response_is_ready()
    {
        fixture.Write(Command());
        fixture.Poll(notify: 1);
        fixture.Poll(notify: 2);
        fixture.Poll(notify: 1);
        Assert.Empty(fixture.Notifier.Polls);

        fixture.Space.Answer(1);

        Assert.Equal([new PollId(1), new PollId(2)], fixture.Notifier.Polls);
    }

    [Fact]
    public void Who_asked_before_the_command_was_written_is_notified_too()
    {
        fixture.Poll(notify: 1);
        fixture.Write(Command());
        fixture.Space.Answer(1);

        Assert.Equal([new PollId(1)], fixture.Notifier.Polls);
    }

    [Fact]
    public void Who_asked_while_a_response_was_ready_is_notified_of_the_next_one()
    {
        fixture.Write(Command());
        fixture.Space.Answer(1);
        fixture.Poll(notify: 1);
        fixture.Read();
        Assert.Empty(fixture.Notifier.Polls);

        fixture.Write(Command());
        fixture.Space.Answer(2);

        Assert.Equal([new PollId(1)], fixture.Notifier.Polls);
    }

    [Fact]
    public void Who_waits_to_write_is_notified_when_the_response_is_read()
    {
        fixture.Write(Command());
        fixture.Space.Answer(1, 2);
        fixture.Poll(notify: 1, wanted: PollEvents.Out);
        fixture.Read(size: 1);
        Assert.Empty(fixture.Notifier.Polls);

        fixture.Read(size: 1);

        Assert.Equal([new PollId(1)], fixture.Notifier.Polls);
    }

    [Fact]
    public void What_several_polls_with_one_id_want_is_added_up()
    {
        fixture.Write(Command());
        fixture.Poll(notify: 1, wanted: PollEvents.Out);
        fixture.Poll(notify: 1, wanted: PollEvents.In);

        fixture.Space.Answer(1);

        Assert.Equal([new PollId(1)], fixture.Notifier.Polls);
    }

    [Fact]
    public void A_response_that_a_waiting_read_takes_whole_wakes_nobody()
    {
        fixture.Write(Command());
        fixture.Poll(notify: 1);
        var reply = fixture.Read();

        fixture.Space.Answer(1);

        Assert.Equal([1], reply.Data);
        Assert.Empty(fixture.Notifier.Polls);
        Assert.Equal(Writable, fixture.Poll());
    }

    [Fact]
    public void An_opener_that_is_gone_is_an_error_and_a_hang_up()
    {
        fixture.Poll(notify: 1, wanted: PollEvents.In);

        fixture.Opener.Release();

        Assert.Equal(PollEvents.Err | PollEvents.Hup, fixture.Poll());
        Assert.Equal([new PollId(1)], fixture.Notifier.Polls);
    }
}
