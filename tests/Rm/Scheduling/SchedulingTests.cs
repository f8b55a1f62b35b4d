using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Scheduling;

/// <summary>Tests who is served next, and what a long command holds up.</summary>
public sealed class SchedulingTests
{
    /// <summary>No probe of a device TCTI, which the reserve would answer.</summary>
    private static readonly byte[] s_command = Cmd.GetRandom(40);

    private static readonly TimeSpan s_commandTime = TimeSpan.FromMilliseconds(10);

    [Theory]
    [InlineData("same")]
    [InlineData("other")]
    public void A_light_opener_waits_for_two_commands_of_a_flood_at_most(string group)
    {
        using Rig rig = Slow();
        Opener[] flood = [.. Enumerable.Range(0, 100).Select(_ => rig.Open("same", uid: 1))];
        Opener light = rig.Open(group, uid: 2);
        ServeMany(rig, flood, 500);
        for (int i = 0; i < 20; i++)
        {
            long start = rig.Time.GetTimestamp();
            light.Send(s_command);
            while (!ReferenceEquals(ServeOne(rig, [light, .. flood]), light))
            {
            }

            Assert.InRange(rig.Time.GetElapsedTime(start), s_commandTime, s_commandTime * 3);
            ServeMany(rig, flood, 150);
        }
    }

    [Theory]
    [InlineData(100, 100)]
    [InlineData(100, 300)]
    [InlineData(1, 10000)]
    public void The_tpm_s_time_is_shared_by_weight_however_many_openers_a_group_has(int firstWeight, int secondWeight)
    {
        using Rig rig = Slow();
        Opener[] first = [.. Enumerable.Range(0, 50).Select(_ => rig.Open("first", uid: 1))];
        Opener[] second = [rig.Open("second", uid: 2), rig.Open("second", uid: 2)];
        rig.Group("first").Weight = firstWeight;
        rig.Group("second").Weight = secondWeight;
        int firsts = 0;
        int seconds = 0;
        Opener[] all = [.. first, .. second];
        for (int i = 0; i < 4000; i++)
        {
            Opener served = ServeOne(rig, all);
            _ = Array.IndexOf(second, served) >= 0 ? seconds++ : firsts++;
        }

        double share = firstWeight / (double)(firstWeight + secondWeight);
        Assert.InRange(firsts / 4000.0, share - 0.02, share + 0.02);
        Assert.Equal(4000, firsts + seconds);
    }

    /// <summary>
    /// The openers of a domain shared its part, whoever had opened them: the user with one opener had a turn in 41.
    /// </summary>
    [Fact]
    public void A_group_s_users_have_equal_shares_however_many_openers_they_have()
    {
        using Rig rig = Slow();
        Opener[] many = [.. Enumerable.Range(0, 40).Select(_ => rig.Open("web", uid: 1))];
        Opener one = rig.Open("web", uid: 2);
        Opener other = rig.Open("other", uid: 1);
        var counts = new Dictionary<Opener, int>();
        for (int i = 0; i < 2000; i++)
        {
            Opener served = ServeOne(rig, [.. many, one, other]);
            counts[served] = counts.GetValueOrDefault(served) + 1;
        }

        Assert.InRange(counts[one], 490, 510);
        Assert.InRange(counts[other], 990, 1010);
        Assert.All(many, opener => Assert.InRange(counts[opener], 11, 14));
    }

    /// <summary>
    /// Regression: each domain had a share, so that a user who made 20 of them had most of the TPM's time.
    /// </summary>
    [Fact]
    public void The_domains_of_one_owner_have_together_what_one_of_them_would_have()
    {
        using Rig rig = Slow();
        Opener other = rig.Open("other", uid: 1);
        var counts = new Dictionary<string, int>();
        for (int round = 0; round < 10; round++)
        {
            Opener[] many = [.. Enumerable.Range(0, 20).Select(i => rig.Open($"made {round} {i}", uid: 2))];
            foreach (int i in Enumerable.Range(0, 20))
            {
                SchedulingGroup group = rig.Group($"made {round} {i}");
                (group.Owner, group.Weight) = (2, i == 0 ? 100 : 200);
            }

            for (int i = 0; i < 200; i++)
            {
                string served = ReferenceEquals(ServeOne(rig, [.. many, other]), other) ? "other" : "many";
                counts[served] = counts.GetValueOrDefault(served) + 1;
            }

            Array.ForEach(many, opener => opener.Close());
        }

        Assert.InRange(counts["other"], 650, 750); // a weight of 100 beside one of 195
    }

    [Fact]
    public void A_user_who_stays_has_half_of_the_turns_beside_a_thousand_who_come_and_go()
    {
        using Rig rig = Slow();
        Opener steady = rig.Open("web", uid: 1);
        int turns = 0;
        for (uint uid = 2; uid < 1002; uid++)
        {
            Opener passing = rig.Open("web", uid);
            for (int i = 0; i < 4; i++)
            {
                turns += ReferenceEquals(ServeOne(rig, [steady, passing]), steady) ? 1 : 0;
            }

            passing.Close();
        }

        Assert.InRange(turns, 1900, 2100);
    }

    [Fact]
    public void Openers_of_a_group_take_turns()
    {
        using Rig rig = Slow();
        Opener[] openers = [.. Enumerable.Range(0, 5).Select(_ => rig.Open())];
        var counts = new Dictionary<Opener, int>();
        for (int i = 0; i < 500; i++)
        {
            Opener served = ServeOne(rig, openers);
            counts[served] = counts.GetValueOrDefault(served) + 1;
        }

        Assert.All(counts.Values, count => Assert.InRange(count, 99, 101));
    }

    [Fact]
    public void A_device_tcti_initialises_while_somebody_s_long_command_runs()
    {
        using var rig = new Rig();
        Opener slow = rig.Open();
        Opener newcomer = rig.Open(uid: 2);
        byte[]? during = null;
        rig.Tpm.Latency = code => code == 0x131 ? TimeSpan.FromSeconds(30) : TimeSpan.Zero;
        rig.Tpm.Wait = span =>
        {
            if (span > TimeSpan.Zero && during is null)
            {
                newcomer.Send(Cmd.GetRandom(8));
                rig.Time.Advance(TimeSpan.FromMilliseconds(900));
                during = newcomer.Response;
                newcomer.Send(Cmd.GetRandom(8));
                rig.Time.Advance(span);
                Assert.False(newcomer.IsDone);
            }
        };
        slow.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        Assert.NotNull(during);
        Assert.True(new Answer(during).IsSuccess);
        Assert.Equal(20, during.Length);
        rig.Run();
        Assert.True(newcomer.IsDone);
    }

    [Fact]
    public void Bytes_of_the_reserve_are_given_out_once()
    {
        using var rig = new Rig();
        var seen = new HashSet<string>();
        rig.Tpm.Latency = code => code == 0x131 ? TimeSpan.FromSeconds(30) : TimeSpan.Zero;
        rig.Tpm.Wait = span =>
        {
            if (span > TimeSpan.Zero)
            {
                for (int i = 0; i < 100; i++)
                {
                    // one user alone would get a third of the bytes
                    Opener newcomer = rig.Open($"user {i % 20}", (uint)(1 + (i % 20)));
                    newcomer.Send(Cmd.GetRandom(8));
                    rig.Time.Advance(TimeSpan.FromMilliseconds(260));
                    Assert.True(seen.Add(Convert.ToHexString(newcomer.Response!)));
                }
            }
        };
        rig.Open().Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        Assert.Equal(100, seen.Count);
    }

    [Fact]
    public void Opening_asking_for_random_bytes_and_closing_is_one_command()
    {
        using var rig = new Rig();
        for (int i = 0; i < 100; i++)
        {
            Opener opener = rig.Open();
            opener.Must(Cmd.GetRandom(8));
            opener.Close();
            rig.Run();
        }

        Assert.Equal(100, rig.Tpm.Log.Total);
    }

    [Fact]
    public void Commands_that_need_no_tpm_do_not_keep_others_from_it()
    {
        using var rig = new Rig();
        rig.Tpm.Latency = _ => TimeSpan.FromMilliseconds(10);
        Opener light = rig.Open("light", uid: 2);
        light.Must(Cmd.GetRandom(40));
        Opener[] flood = [.. Enumerable.Range(0, 3).Select(_ => rig.Open("flood", uid: 1))];
        light.Send(Cmd.GetRandom(40));
        for (int i = 0; i < 1000 && !light.IsDone; i++)
        {
            foreach (Opener done in flood.Where(opener => opener.IsDone || opener.IsIdle))
            {
                done.Send(Cmd.GetCapability(1, 0x80000000, 8));
            }

            rig.Manager.RunOne();
        }

        Assert.True(light.IsDone);
    }

    [Fact]
    public void The_time_that_a_command_waits_for_its_turn_is_not_taken_from_its_time_limit()
    {
        using var rig = new Rig();
        Opener slow = rig.Open(uid: 1);
        Opener waiting = rig.Open(uid: 2);
        rig.Tpm.Latency = code => code == 0x131 ? TimeSpan.FromSeconds(130) : TimeSpan.FromMilliseconds(10);
        rig.Tpm.Wait = span =>
        {
            if (waiting.IsIdle)
            {
                waiting.Send(Cmd.GetRandom(40));
            }

            rig.Time.Advance(span);
        };
        slow.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        Assert.True(waiting.Await().IsSuccess);
    }

    [Fact]
    public void A_device_tcti_initialises_while_the_tpm_tests_itself()
    {
        using var rig = new Rig();
        rig.Tpm.Faults.Warn(Rc.Testing, times: 20);
        Opener newcomer = rig.Open();
        newcomer.Send(Cmd.GetRandom(8));
        rig.Pass(TimeSpan.FromMilliseconds(900));
        Assert.True(newcomer.IsDone);
        Assert.True(new Answer(newcomer.Response!).IsSuccess);
    }

    private static void ServeMany(Rig rig, Opener[] flood, int count)
    {
        for (int i = 0; i < count; i++)
        {
            ServeOne(rig, flood);
        }
    }

    private static Rig Slow()
    {
        var rig = new Rig();
        rig.Tpm.Latency = _ => s_commandTime;
        return rig;
    }

    /// <summary>Keeps all openers busy until one has been served.</summary>
    private static Opener ServeOne(Rig rig, Opener[] flood)
    {
        foreach (Opener idle in flood.Where(opener => opener.IsIdle))
        {
            idle.Send(s_command);
        }

        Opener? served = null;
        while (served is null)
        {
            Assert.True(rig.Manager.RunOne());
            served = flood.SingleOrDefault(opener => opener.IsDone);
        }

        served.Forget();
        return served;
    }
}
