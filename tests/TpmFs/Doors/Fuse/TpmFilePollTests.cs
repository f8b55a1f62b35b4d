using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Fuse;
using TpmFs.Rm;
using static TpmFs.Daemon.Tests.Doors.Fuse.TpmFileFixture;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

public sealed class TpmFilePollTests : IDisposable
{
    private readonly TpmFileFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Poll_is_exactly_readable_with_a_response_and_exactly_writable_without()
    {
        Assert.Equal(Writable, _fixture.Poll());
        _fixture.Write(Command());
        Assert.Equal(Writable, _fixture.Poll());
        _fixture.Space.Answer(1, 2);
        Assert.Equal(Readable, _fixture.Poll());
        _fixture.Read(size: 1);
        Assert.Equal(Readable, _fixture.Poll());
        _fixture.Read(size: 1);
        Assert.Equal(Writable, _fixture.Poll());
    }

    [Fact]
    public void An_error_of_a_command_is_readable()
    {
        _fixture.Write(Command());
        _fixture.Space.Fail(SpaceFailure.TimedOut);

        Assert.Equal(Readable, _fixture.Poll());
    }

    [Fact]
    public void All_who_poll_are_notified_once_when_the_response_is_ready()
    {
        _fixture.Write(Command());
        _fixture.Poll(notify: 1);
        _fixture.Poll(notify: 2);
        _fixture.Poll(notify: 1);
        Assert.Empty(_fixture.Notifier.Polls);

        _fixture.Space.Answer(1);

        Assert.Equal([new PollId(1), new PollId(2)], _fixture.Notifier.Polls);
    }

    [Fact]
    public void A_poll_from_before_the_command_was_written_is_notified_too()
    {
        _fixture.Poll(notify: 1);
        _fixture.Write(Command());
        _fixture.Space.Answer(1);

        Assert.Equal([new PollId(1)], _fixture.Notifier.Polls);
    }

    [Fact]
    public void A_poll_from_while_a_response_was_ready_is_notified_of_the_next_one()
    {
        _fixture.Write(Command());
        _fixture.Space.Answer(1);
        _fixture.Poll(notify: 1);
        _fixture.Read();
        Assert.Empty(_fixture.Notifier.Polls);

        _fixture.Write(Command());
        _fixture.Space.Answer(2);

        Assert.Equal([new PollId(1)], _fixture.Notifier.Polls);
    }

    [Fact]
    public void A_client_that_waits_to_write_is_notified_when_the_response_is_read()
    {
        _fixture.Write(Command());
        _fixture.Space.Answer(1, 2);
        _fixture.Poll(notify: 1, wanted: PollEvents.Out);
        _fixture.Read(size: 1);
        Assert.Empty(_fixture.Notifier.Polls);

        _fixture.Read(size: 1);

        Assert.Equal([new PollId(1)], _fixture.Notifier.Polls);
    }

    [Fact]
    public void The_events_of_several_polls_with_one_id_are_added_up()
    {
        _fixture.Write(Command());
        _fixture.Poll(notify: 1, wanted: PollEvents.Out);
        _fixture.Poll(notify: 1, wanted: PollEvents.In);

        _fixture.Space.Answer(1);

        Assert.Equal([new PollId(1)], _fixture.Notifier.Polls);
    }

    [Fact]
    public void A_response_that_a_waiting_read_takes_whole_wakes_nobody()
    {
        _fixture.Write(Command());
        _fixture.Poll(notify: 1);
        FakeReply reply = _fixture.Read();

        _fixture.Space.Answer(1);

        Assert.Equal([1], reply.Data);
        Assert.Empty(_fixture.Notifier.Polls);
        Assert.Equal(Writable, _fixture.Poll());
    }

    [Fact]
    public void An_opener_that_is_gone_is_an_error_and_a_hang_up()
    {
        _fixture.Poll(notify: 1, wanted: PollEvents.In);

        _fixture.File.Release();

        Assert.Equal(PollEvents.Err | PollEvents.Hup, _fixture.Poll());
        Assert.Equal([new PollId(1)], _fixture.Notifier.Polls);
    }
}
