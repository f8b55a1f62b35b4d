using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Os;
using static TpmFs.Daemon.Tests.Doors.Fuse.TpmFileFixture;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

/// <summary>
/// Regression: with epoll(7) a client could register one open file millions of times. Each of its commands then held up
/// the daemon, and every request of the connection, for half a second.
/// </summary>
public sealed class WakeupCostTests : IDisposable
{
    private readonly TpmFileFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void A_client_whose_wakeups_take_much_of_the_daemon_s_time_is_expelled()
    {
        var file = new TpmFile(_fixture.Conversation, new Notifier(() => Burn(TimeSpan.FromMilliseconds(6))));

        int commands = 0;
        while (_fixture.Conversation.State != ConversationState.Ended && commands < 100)
        {
            Exchange(file);
            commands++;
        }

        Assert.InRange(commands, 2, 4);
        Assert.Equal(Errno.ENODEV, file.Write(default, Command(), out _));
        Assert.Equal(1, _fixture.Ended);
    }

    /// <summary>
    /// Regression: the reading thread keeps notifications back while several files are written to, and what they took
    /// then was counted to nobody.
    /// </summary>
    [Fact]
    public void What_a_wakeup_takes_that_comes_later_is_counted_too()
    {
        var notifier = new LateNotifier(() => Burn(TimeSpan.FromMilliseconds(6)));
        var file = new TpmFile(_fixture.Conversation, notifier);
        for (int commands = 0; commands < 4; commands++)
        {
            Exchange(file);
            notifier.Send();
        }

        Assert.Equal(1, _fixture.Ended);
    }

    [Fact]
    public void A_client_keeps_its_file_where_the_daemon_only_had_to_wait_for_the_processor()
    {
        var file = new TpmFile(
            _fixture.Conversation, new Notifier(() => Thread.Sleep(TimeSpan.FromMilliseconds(2))));
        for (int commands = 0; commands < 20; commands++)
        {
            Exchange(file);
        }

        Assert.Equal(0, _fixture.Ended);
    }

    [Fact]
    public void A_client_keeps_its_file_where_wakeups_that_take_long_are_rare()
    {
        int wakeups = 0;
        var file = new TpmFile(_fixture.Conversation, new Notifier(() =>
        {
            if (++wakeups % 4 < 2)
            {
                Burn(TimeSpan.FromMilliseconds(6));
            }
        }));
        for (int commands = 0; commands < 40; commands++)
        {
            Exchange(file);
        }

        Assert.Equal(40, wakeups);
        Assert.Equal(0, _fixture.Ended);
    }

    /// <summary>A command whose response is polled for, and read.</summary>
    private void Exchange(TpmFile file)
    {
        file.Write(default, Command(), out _);
        file.Poll(new PollId(1), Readable);
        _fixture.Space.Answer(1);
        file.Read(new FuseReadArguments(Offset: 0, Size: 4096, Flags: 0), new Fakes.FakeReply().Token);
    }

    private static void Burn(TimeSpan time)
    {
        TimeSpan end = ThreadClock.CpuTime + time;
        while (ThreadClock.CpuTime < end)
        {
            Thread.SpinWait(100);
        }
    }

    private sealed class LateNotifier(Action wake) : IFuseNotifier, IFuseWaker
    {
        private readonly Queue<(PollId Poll, IFusePolled? Polled)> _held = [];

        public void NotifyPoll(PollId poll, IFusePolled? polled = null) => _held.Enqueue((poll, polled));

        public void Send()
        {
            while (_held.TryDequeue(out (PollId Poll, IFusePolled? Polled) next))
            {
                next.Polled!.Wake(next.Poll, this);
            }
        }

        public void Wake(PollId poll) => wake();
    }

    private sealed class Notifier(Action wake) : IFuseNotifier, IFuseWaker
    {
        public void NotifyPoll(PollId poll, IFusePolled? polled = null) => polled!.Wake(poll, this);

        public void Wake(PollId poll) => wake();
    }
}
