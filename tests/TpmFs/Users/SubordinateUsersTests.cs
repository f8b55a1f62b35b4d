using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Policy;
using TpmFs.Users;

namespace TpmFs.Daemon.Tests.Users;

/// <summary>To whose share the doings of a uid are put down.</summary>
public sealed class SubordinateUsersTests
{
    private static readonly Dictionary<string, uint?> s_owners =
        new() { ["root"] = 0, ["alice"] = 1000, ["bob"] = 1002, ["nobody-here"] = null };

    [Fact]
    public void Each_uid_of_a_range_is_put_down_to_its_user_and_no_other_uid_is()
    {
        Payers payers = Of("alice:100000:65536\n1001:300000:1\nbob:200000:10\nbob:400000:2\n");

        Assert.Equal([1000u, 1000u], Payed(payers, 100_000, 165_535));
        Assert.Equal([1001u], Payed(payers, 300_000));
        Assert.Equal([1002u, 1002u], Payed(payers, 200_009, 400_001));
        uint[] own = [0, 1000, 99_999, 165_536, 199_999, 200_010, 300_001, 400_002, uint.MaxValue];
        Assert.Equal(own, Payed(payers, own));
    }

    [Fact]
    public void Roots_ranges_and_those_of_nobody_are_left_out_and_of_two_that_overlap_the_first_goes_before()
    {
        Payers payers = Of("root:100000:100\nnobody-here:200000:100\n1001:300050:100\n1000:300000:100\n");

        Assert.Equal([100_000u, 200_000u], Payed(payers, 100_000, 200_000));
        Assert.Equal([1000u, 1000u, 1001u, 300_150u], Payed(payers, 300_000, 300_099, 300_100, 300_150));
    }

    [Theory]
    [InlineData("")]
    [InlineData("alice")]
    [InlineData("alice:1:2:3\n:::\n\n#\n")]
    [InlineData("alice:-1:5\nalice:99999999999:1\nalice: 5:1\nalice:5:\n")]
    [InlineData("alice:5:0\nalice:4294967295:5\n")]
    [InlineData("alice:0:1\n")]
    public void A_line_that_makes_no_sense_gives_nobody_anything(string text)
    {
        Assert.Equal([0u, 5u, uint.MaxValue], Payed(Of(text), 0, 5, uint.MaxValue));
    }

    [Fact]
    public void A_range_that_goes_beyond_the_last_uid_ends_there()
    {
        Assert.Equal([1000u, 5u], Payed(Of("alice:4294967290:4294967295\n"), 4_294_967_294, 5));
    }

    [Fact]
    public void The_uids_of_a_name_that_has_not_been_looked_up_are_put_down_to_the_first_of_them()
    {
        Payers payers = Of("dora:100000:10\nbob:200000:10\ndora:300000:10\neric:400000:10\n");

        Assert.Equal([100_000u, 100_000u, 1002u, 400_000u], Payed(payers, 100_009, 300_001, 200_001, 400_009));
    }

    /// <summary>
    /// Regression: lines that root added held after up to 5 minutes, and what was opened by their uids meanwhile kept a
    /// share for each uid.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_change_of_the_file_holds_at_once(bool isReplaced)
    {
        string folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
        string file = Path.Combine(folder, "subuid");
        var payers = new Payers();
        using var changed = new SemaphoreSlim(0);
        using var users = new SubordinateUsers(file, new FakeUserDatabase(), payers, Serilog.Core.Logger.None);
        users.Watch(() => changed.Release());
        users.Read();
        string written = isReplaced ? Path.Combine(folder, "subuid+") : file;
        File.WriteAllText(written, "alice:100000:10\n1001:200000:10\n");
        if (isReplaced)
        {
            File.Move(written, file);
        }

        Assert.True(
            SpinWait.SpinUntil(() => payers.Of(200_009) == 1001, TimeSpan.FromSeconds(30)), "the change had no effect");
        Assert.Equal(100_000u, payers.Of(100_009)); // until the name is looked up
        Assert.True(changed.Wait(TimeSpan.FromSeconds(30)), "nobody was told of the change");
        users.Read();
        Assert.Equal(1000u, payers.Of(100_009));
        Directory.Delete(folder, recursive: true);
    }

    private static Payers Of(string text)
    {
        var payers = new Payers();
        payers.Use(SubordinateUsers.Parse(text, s_owners));
        return payers;
    }

    private static uint[] Payed(Payers payers, params uint[] uids) => Array.ConvertAll(uids, payers.Of);
}
