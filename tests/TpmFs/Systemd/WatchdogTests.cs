using TpmFs.Systemd;

namespace TpmFs.Daemon.Tests.Systemd;

public sealed class WatchdogTests
{
    private static readonly TimeSpan s_time = TimeSpan.FromSeconds(30);
    private readonly ManualTime _clock = new();
    private TaskCompletionSource _beat = new();
    private volatile int _asked;
    private volatile int _told;

    [Fact]
    public void The_watchdog_is_told_after_each_sign_of_life_three_times_as_often_as_is_wanted()
    {
        using Watchdog watchdog = Start();
        for (int i = 1; i < 10; i++)
        {
            Until(() => _asked == i);
            Assert.Equal(i - 1, _told);
            Beat();
            _clock.Advance(s_time / 3);
        }
    }

    [Fact]
    public void Without_a_sign_of_life_it_tells_nothing_however_much_time_passes()
    {
        using Watchdog watchdog = Start();
        Beat();
        _clock.Advance(s_time / 3);
        Until(() => _asked == 2);

        _clock.Advance(s_time * 100);

        Assert.Equal((2, 1, 0), (_asked, _told, _clock.ArmedTimers));
    }

    [Fact]
    public void When_nobody_serves_any_more_it_ends()
    {
        using (Watchdog watchdog = Start())
        {
            _beat.SetCanceled();
        }

        Assert.Equal((1, 0), (_asked, _told));
    }

    private Watchdog Start() => new(
        s_time,
        () =>
        {
            _asked++;
            return _beat.Task;
        },
        () => _told++,
        _clock);

    /// <summary>A sign of life, after which the watchdog pauses.</summary>
    private void Beat()
    {
        TaskCompletionSource now = _beat;
        _beat = new TaskCompletionSource();
        now.SetResult();
        Until(() => _clock.ArmedTimers == 1);
    }

    private static void Until(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(30)));
}
