using TpmFs.Users;

namespace TpmFs.Daemon.Tests.Users;

/// <summary>Names that anybody may look up, and what that costs others.</summary>
public sealed class WantedNamesTests
{
    private readonly ManualTime _time = new();
    private readonly WantedNames _names;

    public WantedNamesTests() => _names = new WantedNames(_time);

    [Fact]
    public void A_user_has_a_few_names_waiting_and_users_take_turns()
    {
        Assert.Equal(WantedNames.MaxOfUser, Enumerable.Range(0, 100).Count(i => _names.Add(1, $"a{i}")));
        Assert.True(_names.Add(2, "b0"));
        Assert.True(_names.Add(2, "b1"));
        Assert.Equal(["a0", "b0", "a1", "b1", "a2", "a3"], TakeAll());
        Assert.True(_names.Add(1, "a4"));
    }

    [Fact]
    public void When_others_have_filled_the_list_root_has_room()
    {
        for (uint user = 1; user <= 1000; user++)
        {
            _names.Add(user, $"of{user}");
        }

        Assert.False(_names.Add(5000, "one-more"));
        Assert.True(_names.Add(0, "roots"));
        Assert.Equal(WantedNames.MaxOfOthers + 1, TakeAll().Count);
    }

    [Fact]
    public void A_name_is_taken_each_interval_and_no_sooner()
    {
        _names.Add(1, "a");
        _names.Add(1, "b");
        Assert.True(_names.TryTake(out _, out _));
        _time.Advance(WantedNames.Interval / 4);
        Assert.False(_names.TryTake(out _, out TimeSpan wait));
        Assert.Equal(WantedNames.Interval * 3 / 4, wait);
        _time.Advance(wait);
        Assert.True(_names.TryTake(out string? second, out _));
        Assert.Equal("b", second);
        Assert.False(_names.TryTake(out _, out wait));
        Assert.Equal(Timeout.InfiniteTimeSpan, wait);
    }

    [Fact]
    public void A_name_waits_once_and_is_not_asked_for_again_while_it_is_known_to_be_nobodys()
    {
        Assert.True(_names.Add(1, "nobody"));
        Assert.False(_names.Add(2, "nobody"));
        TakeAll();
        _names.AddUnknown("nobody");
        Assert.False(_names.Add(1, "nobody"));
        _names.ForgetUnknown();
        Assert.True(_names.Add(1, "nobody"));
    }

    [Fact]
    public void Of_the_names_that_are_nobodys_the_oldest_is_forgotten()
    {
        for (int i = 0; i <= WantedNames.MaxUnknown; i++)
        {
            _names.AddUnknown($"n{i}");
        }

        Assert.True(_names.Add(1, "n0"));
        Assert.False(_names.Add(1, "n1"));
        Assert.False(_names.Add(1, $"n{WantedNames.MaxUnknown}"));
    }

    private List<string> TakeAll()
    {
        List<string> taken = [];
        while (_names.TryTake(out string? name, out _))
        {
            taken.Add(name);
            _time.Advance(WantedNames.Interval);
        }

        return taken;
    }
}
