using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Doors.Fuse;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

public sealed class LookupRatesTests
{
    private readonly ManualTime _time = new();
    private readonly LookupRates _rates;

    public LookupRatesTests() => _rates = new LookupRates(_time);

    [Fact]
    public void A_user_counts_as_one_who_looks_up_many_from_the_limit_to_the_end_of_the_next_second()
    {
        Assert.All(Enumerable.Range(0, LookupRates.Many), _ => Assert.False(_rates.IsMany(1)));
        Assert.True(_rates.IsMany(1));
        Assert.False(_rates.IsMany(2));

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_rates.IsMany(1));

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(_rates.IsMany(1));
    }

    [Fact]
    public void A_user_who_pauses_for_a_second_counts_as_any_other()
    {
        Assert.All(Enumerable.Range(0, LookupRates.Many), _ => Assert.False(_rates.IsMany(1)));
        Assert.True(_rates.IsMany(1));

        _time.Advance(TimeSpan.FromSeconds(2));

        Assert.False(_rates.IsMany(1));
    }

    /// <summary>
    /// Regression: past 1,024 users who were all there, the table grew without a bound, and each first lookup of a user
    /// walked through all of it.
    /// </summary>
    [Fact]
    public void A_crowd_of_users_takes_no_more_room_than_there_is()
    {
        for (uint uid = 1; uid <= 100_000; uid++)
        {
            _rates.IsMany(uid);
        }

        Assert.InRange(_rates.Users, 1, LookupRates.MostUsers);
        Assert.False(_rates.IsMany(1)); // who has room keeps it
        Assert.True(_rates.IsMany(100_000));

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(_rates.IsMany(100_000));
    }
}
