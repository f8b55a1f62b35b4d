using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Fuse;
using TpmFs.Openers;
using static TpmFs.Daemon.Tests.Openers.OpenerFixture;

namespace TpmFs.Daemon.Tests.Openers;

public sealed class OpenerLifeTests : IDisposable
{
    private static readonly TimeSpan AMoment = TimeSpan.FromMilliseconds(1);
    private readonly OpenerFixture fixture = new();

    public void Dispose() => fixture.Dispose();

    [Fact]
    public void An_unread_response_is_dropped_120_s_after_it_was_ready_and_who_waits_to_write_is_woken()
    {
        fixture.Write(Command());
        fixture.Time.Advance(TimeSpan.FromSeconds(300));
        fixture.Space.Answer(1);
        fixture.Poll(notify: 1, wanted: PollEvents.Out);

        fixture.Time.Advance(UnreadAnswers.Lifetime - AMoment);
        Assert.Empty(fixture.Notifier.Polls);
        Assert.Equal(Readable, fixture.Poll());
        fixture.Time.Advance(AMoment);

        Assert.Equal([new PollId(1)], fixture.Notifier.Polls);
        Assert.Equal(Writable, fixture.Poll());
        Assert.Empty(fixture.Read().Data);
        Assert.Equal(Errno.None, fixture.Write(Command()));
    }

    [Fact]
    public void The_rest_of_a_response_is_dropped_too()
    {
        fixture.Write(Command());
        fixture.Space.Answer(1, 2);
        fixture.Read(size: 1);

        fixture.Time.Advance(UnreadAnswers.Lifetime);

        Assert.Empty(fixture.Read().Data);
    }

    [Fact]
    public void Each_response_has_its_own_120_s_however_many_came_before()
    {
        fixture.Write(Command());
        fixture.Space.Answer(1);
        fixture.Time.Advance(TimeSpan.FromSeconds(60));
        fixture.Read();
        fixture.Write(Command());
        fixture.Space.Answer(2);
        fixture.Poll(notify: 1, wanted: PollEvents.Out);

        fixture.Time.Advance(UnreadAnswers.Lifetime - AMoment);
        Assert.Equal(Readable, fixture.Poll());
        fixture.Time.Advance(AMoment);

        Assert.Equal([new PollId(1)], fixture.Notifier.Polls);
        Assert.Equal(Writable, fixture.Poll());
    }

    [Fact]
    public void The_timer_rests_when_nothing_is_unread()
    {
        Assert.Equal(0, fixture.Time.ArmedTimers);
        fixture.Write(Command());
        var reply = fixture.Read();
        fixture.Space.Answer(1);
        Assert.Equal([1], reply.Data);
        Assert.Equal(0, fixture.Time.ArmedTimers);

        fixture.Write(Command());
        fixture.Space.Answer(1);
        Assert.Equal(1, fixture.Time.ArmedTimers);
        fixture.Read();
        fixture.Time.Advance(UnreadAnswers.Lifetime);
        Assert.Equal(0, fixture.Time.ArmedTimers);
    }

    [Fact]
    public void A_write_that_meets_a_revocation_halfway_is_ENODEV()
    {
        fixture.Space.Refuses = true;
        fixture.Space.OnRefuse = fixture.Opener.Revoke;
        Assert.Equal(Errno.ENODEV, fixture.Write(Command()));
        Assert.Equal(1, fixture.Left);
    }

    [Fact]
    public void The_oldest_unread_response_of_many_openers_is_dropped_first()
    {
        using var unread = new UnreadAnswers(fixture.Time);
        var notifier = new FakeNotifier();
        var context = new OpenerContext(fixture.Time, unread, new AnswerPool(), notifier, Serilog.Core.Logger.None);
        var openers = Enumerable.Range(0, 3).Select(i =>
        {
            FakeSpace space = null!;
            var opener = Opener.TryOpen(
                context, new OpenerIdentity((ulong)i, 0, 1, "test", "", "rm0", 0, 0), MaxCommandSize, client => space = new FakeSpace(client), _ => { })!;
            opener.Write(default, Command(), out _);
            fixture.Time.Advance(TimeSpan.FromSeconds(10));
            space.Answer((byte)i);
            opener.Poll(new PollId((ulong)i), PollEvents.Out);
            return opener;
        }).ToArray();

        Assert.Empty(notifier.Polls);
        fixture.Time.Advance(UnreadAnswers.Lifetime - TimeSpan.FromSeconds(20));
        Assert.Equal([new PollId(0)], notifier.Polls);
        fixture.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal([new PollId(0), new PollId(1)], notifier.Polls);
        openers[2].Release();
        fixture.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(Writable, openers[1].Poll(null, Writable));
    }

    [Fact]
    public void Release_closes_the_space_once_and_leaves_the_domain_once()
    {
        fixture.Opener.Release();
        fixture.Opener.Release();

        Assert.Equal((1, 1), (fixture.Space.Closed, fixture.Left));
    }

    [Fact]
    public void Release_in_the_middle_of_a_command_drops_its_answer_and_ends_who_waits()
    {
        fixture.Write(Command());
        var reply = fixture.Read();

        fixture.Opener.Release();
        Assert.Equal(Errno.ENODEV, reply.Error);

        fixture.Space.Answer(1);
        Assert.Equal(Errno.ENODEV, fixture.Read().Error);
        Assert.Equal(Errno.ENODEV, fixture.Write(Command()));
        Assert.Equal(1, reply.Answers);
        Assert.Equal(0, fixture.Time.ArmedTimers);
    }

    [Fact]
    public void Release_with_a_response_ready_drops_it()
    {
        fixture.Write(Command());
        fixture.Space.Answer(1);

        fixture.Opener.Release();

        Assert.Equal(Errno.ENODEV, fixture.Read().Error);
    }
}
