using TpmFs.Clients;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using static TpmFs.Daemon.Tests.Doors.Fuse.TpmFileFixture;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

public sealed class TpmFileLifeTests : IDisposable
{
    private static readonly TimeSpan s_aMoment = TimeSpan.FromMilliseconds(1);
    private readonly TpmFileFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void An_unread_response_is_dropped_120_s_after_it_was_ready_and_who_waits_to_write_is_woken()
    {
        _fixture.Write(Command());
        _fixture.Time.Advance(TimeSpan.FromSeconds(300));
        _fixture.Space.Answer(1);
        _fixture.Poll(notify: 1, wanted: PollEvents.Out);

        _fixture.Time.Advance(UnreadAnswers.Lifetime - s_aMoment);
        Assert.Empty(_fixture.Notifier.Polls);
        Assert.Equal(Readable, _fixture.Poll());
        _fixture.Time.Advance(s_aMoment);

        Assert.Equal([new PollId(1)], _fixture.Notifier.Polls);
        Assert.Equal(Writable, _fixture.Poll());
        Assert.Empty(_fixture.Read().Data);
        Assert.Equal(Errno.None, _fixture.Write(Command()));
    }

    [Fact]
    public void The_rest_of_a_response_is_dropped_too()
    {
        _fixture.Write(Command());
        _fixture.Space.Answer(1, 2);
        _fixture.Read(size: 1);

        _fixture.Time.Advance(UnreadAnswers.Lifetime);

        Assert.Empty(_fixture.Read().Data);
    }

    [Fact]
    public void Each_response_has_its_own_120_s_however_many_came_before()
    {
        _fixture.Write(Command());
        _fixture.Space.Answer(1);
        _fixture.Time.Advance(TimeSpan.FromSeconds(60));
        _fixture.Read();
        _fixture.Write(Command());
        _fixture.Space.Answer(2);
        _fixture.Poll(notify: 1, wanted: PollEvents.Out);

        _fixture.Time.Advance(UnreadAnswers.Lifetime - s_aMoment);
        Assert.Equal(Readable, _fixture.Poll());
        _fixture.Time.Advance(s_aMoment);

        Assert.Equal([new PollId(1)], _fixture.Notifier.Polls);
        Assert.Equal(Writable, _fixture.Poll());
    }

    [Fact]
    public void The_timer_rests_when_nothing_is_unread()
    {
        Assert.Equal(0, _fixture.Time.ArmedTimers);
        _fixture.Write(Command());
        FakeReply reply = _fixture.Read();
        _fixture.Space.Answer(1);
        Assert.Equal([1], reply.Data);
        Assert.Equal(0, _fixture.Time.ArmedTimers);

        _fixture.Write(Command());
        _fixture.Space.Answer(1);
        Assert.Equal(1, _fixture.Time.ArmedTimers);
        _fixture.Read();
        _fixture.Time.Advance(UnreadAnswers.Lifetime);
        Assert.Equal(0, _fixture.Time.ArmedTimers);
    }

    [Fact]
    public void A_write_that_meets_a_revocation_halfway_is_ENODEV()
    {
        _fixture.Space.Refuses = true;
        _fixture.Space.OnRefuse = _fixture.Conversation.Revoke;
        Assert.Equal(Errno.ENODEV, _fixture.Write(Command()));
        Assert.Equal(1, _fixture.Ended);
    }

    [Fact]
    public void The_oldest_unread_response_of_many_openers_is_dropped_first()
    {
        var notifier = new FakeNotifier();
        TpmFile[] files = Enumerable.Range(0, 3).Select(i =>
        {
            FakeSpace space = null!;
            Conversation conversation = Conversation.TryBegin(
                _fixture.Context, IdentityOf((ulong)i), MaxCommandSize, client => space = new FakeSpace(client),
                _fixture)!;
            var file = new TpmFile(conversation, notifier);
            file.Write(default, Command(), out _);
            _fixture.Time.Advance(TimeSpan.FromSeconds(10));
            space.Answer((byte)i);
            file.Poll(new PollId((ulong)i), PollEvents.Out);
            return file;
        }).ToArray();

        Assert.Empty(notifier.Polls);
        _fixture.Time.Advance(UnreadAnswers.Lifetime - TimeSpan.FromSeconds(20));
        Assert.Equal([new PollId(0)], notifier.Polls);
        _fixture.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal([new PollId(0), new PollId(1)], notifier.Polls);
        files[2].Release();
        _fixture.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(Writable, files[1].Poll(null, Writable));
    }

    [Fact]
    public void Release_closes_the_space_once_and_leaves_the_domain_once()
    {
        _fixture.Conversation.Revoke();
        Assert.Equal((1, 1, 0), (_fixture.Space.Closed, _fixture.Ended, _fixture.Left));
        _fixture.File.Release();
        _fixture.File.Release();

        Assert.Equal((1, 1, 1), (_fixture.Space.Closed, _fixture.Ended, _fixture.Left));
    }

    [Fact]
    public void Release_in_the_middle_of_a_command_drops_its_answer_and_ends_who_waits()
    {
        _fixture.Write(Command());
        FakeReply reply = _fixture.Read();

        _fixture.File.Release();
        Assert.Equal(Errno.ENODEV, reply.Error);

        _fixture.Space.Answer(1);
        Assert.Equal(Errno.ENODEV, _fixture.Read().Error);
        Assert.Equal(Errno.ENODEV, _fixture.Write(Command()));
        Assert.Equal(1, reply.Answers);
        Assert.Equal(0, _fixture.Time.ArmedTimers);
    }

    [Fact]
    public void Release_with_a_response_ready_drops_it()
    {
        _fixture.Write(Command());
        _fixture.Space.Answer(1);

        _fixture.File.Release();

        Assert.Equal(Errno.ENODEV, _fixture.Read().Error);
    }
}
