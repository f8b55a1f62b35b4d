using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>Notifications of polls that are kept back for a moment.</summary>
public sealed class HeldNotificationsTests
{
    private readonly HeldNotifications _held = new();

    [Fact]
    public void Nothing_is_kept_back_before_it_begins_and_after_it_ends()
    {
        Assert.False(_held.TryAdd(new PollId(1)));
        _held.Begin();
        _held.End();
        Assert.False(_held.TryAdd(new PollId(1)));
        Assert.False(_held.TryTake(out _, out _));
    }

    [Fact]
    public void The_oldest_is_taken_first_and_each_once()
    {
        _held.Begin();
        for (ulong poll = 1; poll <= 3; poll++)
        {
            Assert.True(_held.TryAdd(new PollId(poll)));
        }

        Assert.Equal([1UL, 2, 3], Taken());
        Assert.True(_held.TryAdd(new PollId(4)));
        Assert.Equal([4UL], Taken());
    }

    [Fact]
    public void Those_of_other_threads_are_not_kept_back()
    {
        _held.Begin();
        bool isHeld = true;
        var other = new Thread(() =>
        {
            _held.End(); // which is not its to end
            isHeld = _held.TryAdd(new PollId(1));
        });
        other.Start();
        other.Join();
        Assert.False(isHeld);
        Assert.True(_held.TryAdd(new PollId(2)));
    }

    [Fact]
    public void Notifications_are_sent_at_once_when_there_is_no_room_to_hold_them()
    {
        _held.Begin();
        ulong poll = 0;
        while (_held.TryAdd(new PollId(poll)))
        {
            Assert.True(++poll < 10_000);
        }

        Assert.Equal((int)poll, Taken().Count);
    }

    private List<ulong> Taken()
    {
        var taken = new List<ulong>();
        while (_held.TryTake(out PollId poll, out _))
        {
            taken.Add(poll.Value);
        }

        return taken;
    }
}
