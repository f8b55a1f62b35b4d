using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Life;

namespace TpmFs.Daemon.Tests.Life;

public sealed class WatchdogTests
{
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(30);
    private readonly ManualTime clock = new();
    private TaskCompletionSource beat = new();
    private int asked;
    private int told;

    [Fact]
    public void It_tells_after_each_sign_of_life_three_times_as_often_as_is_wanted()
    {
        using var watchdog = Start();
        Assert.Equal((1, 0), (asked, told));
        Beat();
        Assert.Equal((1, 1), (asked, told));

        for (var i = 2; i < 10; i++)
        {
            clock.Advance(Time / 3);
            Beat();
            Assert.Equal((i, i), (asked, told));
        }
    }

    [Fact]
    public void Without_a_sign_of_life_it_tells_nothing_however_much_time_passes()
    {
        using var watchdog = Start();
        Beat();
        clock.Advance(Time / 3);

        clock.Advance(Time * 100);

        Assert.Equal((2, 1), (asked, told));
    }

    [Fact]
    public void When_nobody_serves_any_more_it_ends()
    {
        using var watchdog = Start();
        beat.SetCanceled();
        clock.Advance(Time);
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

    private void Beat()
    {
        var now = beat;
        beat = new TaskCompletionSource();
        now.SetResult();
        SpinWait.SpinUntil(() => clock.ArmedTimers == 1, TimeSpan.FromSeconds(30));
    }
}
