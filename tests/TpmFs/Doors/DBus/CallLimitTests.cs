using TpmFs.Doors.DBus;

namespace TpmFs.Daemon.Tests.Doors.DBus;

public sealed class CallLimitTests
{
    [Fact]
    public void A_caller_has_so_many_calls_under_way_and_others_have_theirs()
    {
        var limit = new CallLimit();
        Assert.All(Enumerable.Range(0, 32), _ => Assert.True(limit.TryBegin(":1.1")));
        Assert.False(limit.TryBegin(":1.1"));
        Assert.True(limit.TryBegin(":1.2"));
        limit.End(":1.1");
        Assert.True(limit.TryBegin(":1.1"));
    }

    [Fact]
    public void Very_many_callers_keep_no_other_from_calling()
    {
        var limit = new CallLimit();
        Assert.All(Enumerable.Range(0, 10_000), i => Assert.True(limit.TryBegin($":1.{i}")));
        Assert.True(limit.TryBegin(":1.10000"));
    }
}
