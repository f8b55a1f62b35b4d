using TpmFs.Doors.DBus;

namespace TpmFs.Daemon.Tests.Doors.DBus;

public sealed class CallLimitTests
{
    [Fact]
    public void A_caller_has_so_many_calls_under_way_and_others_have_theirs()
    {
        var limit = new CallLimit<string>(each: 32, all: 20_000);
        Assert.All(Enumerable.Range(0, 32), _ => Assert.True(limit.TryBegin(":1.1")));
        Assert.False(limit.TryBegin(":1.1"));
        Assert.True(limit.TryBegin(":1.2"));
        limit.End(":1.1");
        Assert.True(limit.TryBegin(":1.1"));
    }

    [Fact]
    public void Very_many_callers_keep_no_other_from_calling()
    {
        var limit = new CallLimit<string>(each: 32, all: 20_000);
        Assert.All(Enumerable.Range(0, 10_000), i => Assert.True(limit.TryBegin($":1.{i}")));
        Assert.True(limit.TryBegin(":1.10000"));
    }

    /// <summary>
    /// Regression: a program that called, left and came again made the daemon keep calls without bound.
    /// </summary>
    [Fact]
    public void The_calls_of_all_together_are_bounded()
    {
        var limit = new CallLimit<string>(each: 32, all: 100);
        Assert.All(Enumerable.Range(0, 100), i => Assert.True(limit.TryBegin($":1.{i}")));
        Assert.False(limit.TryBegin(":1.100"));
        limit.End(":1.7");
        Assert.True(limit.TryBegin(":1.100"));
    }
}
