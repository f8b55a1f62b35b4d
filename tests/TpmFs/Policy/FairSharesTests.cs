using TpmFs.Policy;

namespace TpmFs.Daemon.Tests.Policy;

public sealed class FairSharesTests
{
    private const int Limit = 100;
    private readonly FairShares _shares = new(reserve: 8);

    [Fact]
    public void One_user_gets_half_and_each_further_user_half_of_what_is_left()
    {
        Assert.Equal([50, 25, 13, 6, 3, 2, 1], Enumerable.Range(1, 7).Select(uid => TakeAll((uint)uid)));
    }

    [Fact]
    public void Users_who_take_turns_get_equal_shares_and_leave_one_for_the_next()
    {
        int granted;
        do
        {
            granted = Enumerable.Range(1, 3).Count(uid => _shares.TryTake((uint)uid, Standing.User, Limit));
        }
        while (granted > 0);

        Assert.Equal(75, _shares.Total);
        Assert.Equal(13, TakeAll(4));
    }

    [Fact]
    public void The_owner_may_fill_it_and_the_administrator_still_gets_the_reserve()
    {
        Assert.Equal(Limit, TakeAll(7, Standing.Owner));
        Assert.Equal(0, TakeAll(1));
        Assert.Equal(8, TakeAll(0, Standing.Administrator));
    }

    [Fact]
    public void The_administrator_alone_gets_no_more_than_the_limit()
    {
        Assert.Equal(Limit, TakeAll(0, Standing.Administrator));
        Assert.False(_shares.TryTake(0, Standing.Administrator, limit: 0));
    }

    [Fact]
    public void A_share_that_is_given_back_can_be_taken_again_and_a_lower_limit_takes_nothing_away()
    {
        TakeAll(1);
        Assert.False(_shares.TryTake(2, Standing.User, limit: 10));
        for (int i = 0; i < 50; i++)
        {
            _shares.Return(1);
        }

        Assert.Equal(0, _shares.Total);
        Assert.Equal(50, TakeAll(2));
    }

    [Fact]
    public void Amounts_that_would_overflow_are_refused()
    {
        Assert.True(_shares.TryTake(1, Standing.User, int.MaxValue, 5));
        Assert.False(_shares.TryTake(1, Standing.User, int.MaxValue, int.MaxValue));
    }

    private int TakeAll(uint uid, Standing standing = Standing.User)
    {
        int taken = 0;
        while (_shares.TryTake(uid, standing, Limit))
        {
            taken++;
        }

        return taken;
    }
}
