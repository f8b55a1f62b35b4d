using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Life;

namespace TpmFs.Daemon.Tests.Life;

public sealed class WatchdogTests
{
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(30);
    private readonly ManualTime clock = new();
    private TaskCompletionSource beat = new();
    private volatile int asked;
    private volatile int told;

    [Fact]
    public void It_tells_after_each_sign_of_life_three_times_as_often_as_is_wanted()
    {
        using var watchdog = Start();
        for (var i = 1; i < 10; i++)
        {
            Until(() => asked == i);
            Assert.Equal(i - 1, told);
            Beat();
            clock.Advance(Time / 3);
        }
    }

    [Fact]
    public void Without_a_sign_of_life_it_tells_nothing_however_much_time_passes()
    {
        using var watchdog = Start();
        Beat();
        clock.Advance(Time / 3);
        Until(() => asked == 2);

        clock.Advance(Time * 100);

        Assert.Equal((2, 1, 0), (asked, told, clock.ArmedTimers));
    }

    [Fact]
    public void When_nobody_serves_any_more_it_ends()
    {
        using (var watchdog = Start())
        {
            beat.SetCanceled();
        }

        Assert.Equal((1, 0), (asked, told));
    }

    private Watchdog Start() => new(
        Time,
        () =>
        {
            asked++;
            return beat.Task;
        },
        () => told++,
        clock);

    /// <summary>A sign of life, after which the watchdog pauses.</summary>
    private void Beat()
    {
        var now = beat;
        beat = new TaskCompletionSource();
        now.SetResult();
        Until(() => clock.ArmedTimers == 1);
    }

    private static void Until(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(30)));
}
