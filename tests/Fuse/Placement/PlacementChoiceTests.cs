using TpmFs.Fuse.Placement;
using TpmFs.Os;
using TpmFs.TestSupport;

namespace TpmFs.Fuse.Tests.Placement;

/// <summary>What a start finds out about its own permissions, and says.</summary>
public sealed class PlacementChoiceTests
{
    private readonly FakeThreads _threads = new();

    [Fact]
    public void Nothing_is_placed_where_that_is_not_wanted() => Assert.Equal("plain", For(null).Describe());

    [Fact]
    public void The_reader_follows_where_everything_is_permitted() =>
        Assert.Equal(
            "follow; not placed now, placed 0 times, gave way 0 times, TPM on another CPU 0 times",
            For(new FollowOptions([])).Describe());

    [Fact]
    public void Without_permission_to_leave_the_idle_class_it_says_what_to_give()
    {
        _threads.MayLeaveIdle = false;
        PlacementChoice choice = For(new FollowOptions([]));
        Assert.NotNull(choice.Placement);
        Assert.Contains("LimitNICE=+0", choice.Describe(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_daemon_in_a_class_of_its_own_is_left_in_it()
    {
        _threads.PutInto(Environment.ProcessId, SchedulingClass.Special);
        PlacementChoice choice = For(new FollowOptions([]));
        Assert.Null(choice.Placement);
        Assert.StartsWith("plain: ", choice.Describe(), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_count_of_waits_nothing_is_placed()
    {
        _threads.CountsWaits = false;
        PlacementChoice choice = For(new FollowOptions([]));
        Assert.Null(choice.Placement);
        Assert.Contains("schedstat", choice.Describe(), StringComparison.Ordinal);
    }

    private PlacementChoice For(FollowOptions? follow) => PlacementChoice.For(follow, _threads, new ManualTime());
}
