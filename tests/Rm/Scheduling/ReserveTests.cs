using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Scheduling;

/// <summary>Tests when the reserve of random bytes does not answer, though the TPM is busy.</summary>
public sealed class ReserveTests
{
    private static readonly TimeSpan s_long = TimeSpan.FromSeconds(30);
    private const int ProbesOfUser = (1024 - 64) / 3 / 8; // probes of 8 bytes

    [Fact]
    public void A_command_that_the_tpm_audits_is_not_answered_from_the_reserve()
    {
        using var rig = new Rig();
        rig.Open().Must(Cmd.SetCommandCodeAuditStatus(Cmd.GetRandomCode));
        rig.Settle();
        rig.Tpm.Log.Clear();
        Opener newcomer = rig.Open();
        AssertWaits(rig, newcomer);
        rig.Run();
        Assert.True(new Answer(newcomer.Response!).IsSuccess);
        Assert.Equal(1, rig.Tpm.Log.Count(Cmd.GetRandomCode));
    }

    [Fact]
    public void A_command_that_its_domain_denies_is_not_answered_from_the_reserve()
    {
        using var rig = new Rig();
        rig.Group("denied").Denied = new HashSet<TpmCc> { TpmCc.GetRandom };
        Opener newcomer = rig.Open("denied");
        AssertWaits(rig, newcomer);
        Assert.Equal(0x000B0000 | Rc.CommandCode, newcomer.Await().Code);
    }

    [Fact]
    public void A_tpm_that_refuses_to_fill_the_reserve_is_left_alone_for_a_while()
    {
        var time = new ManualTime();
        using var tpm = new SimulatedTpm(new TpmParameters { Time = time });
        using var manager = new ResourceManager(tpm, new ResourceManagerOptions(), time, new RecordingLog());
        tpm.Faults.Warn(Rc.Value, times: int.MaxValue, command: Cmd.GetRandomCode);
        Assert.True(manager.TryPrepare(out _));
        time.Advance(TimeSpan.FromSeconds(1));
        int commands = 0;
        while (commands < 100 && manager.RunOne())
        {
            commands++;
        }

        Assert.InRange(commands, 1, 10);
        Assert.True(manager.UntilDue() > TimeSpan.FromMilliseconds(10));
    }

    /// <summary>One user's 200 openers used to empty the reserve, so that nobody else could initialise.</summary>
    [Fact]
    public void One_user_leaves_most_of_the_reserve_to_others()
    {
        using var rig = new Rig();
        Opener[] crowd = [.. Enumerable.Range(0, 200).Select(_ => rig.Open("greedy", uid: 1))];
        Opener other = rig.Open("other", uid: 2);
        WhileBusy(rig, () => Array.ForEach([.. crowd, other], opener => opener.Send(Cmd.GetRandom(8))));
        Assert.Equal(ProbesOfUser, crowd.Count(opener => opener.IsDone));
        Assert.True(other.IsDone);
        rig.Run();
        Assert.All(crowd, opener => Assert.True(opener.IsDone));
    }

    /// <summary>
    /// Regression: each uid of a container counted as a user, so that its programs emptied the reserve.
    /// </summary>
    [Fact]
    public void A_domain_leaves_half_of_the_reserve_to_others_however_many_users_it_has_and_the_last_bytes_are_roots()
    {
        using var rig = new Rig();
        Opener[] container = Crowd("container");
        Opener[] another = Crowd("another");
        Opener[][] further = [.. Enumerable.Range(0, 8).Select(i => Crowd($"further {i}"))];
        Opener[] root = [.. Enumerable.Range(0, 8).Select(_ => rig.Open("root", uid: 0))];
        WhileBusy(rig, () => Array.ForEach(
            [.. container, .. another, .. further.SelectMany(crowd => crowd), .. root],
            opener => opener.Send(Cmd.GetRandom(8))));
        Assert.InRange(container.Count(opener => opener.IsDone), 50, 60);
        Assert.InRange(another.Count(opener => opener.IsDone), 25, 30);
        Assert.All(root, opener => Assert.True(opener.IsDone));

        Opener[] Crowd(string group) => [.. Enumerable.Range(1, 100).Select(uid => rig.Open(group, (uint)uid))];
    }

    /// <summary>It used to be filled only while no client wanted anything.</summary>
    [Fact]
    public void The_reserve_is_filled_between_commands_once_it_is_low()
    {
        using var rig = new Rig();
        List<Opener> all = [];
        WhileBusy(rig, () =>
        {
            for (uint uid = 1; uid <= 40; uid++)
            {
                Opener taking = rig.Open("user " + uid, uid);
                all.Add(taking);
                taking.Send(Cmd.GetRandom(32));
                rig.Time.Advance(TimeSpan.FromSeconds(1));
            }
        });
        int waiting = all.Count(taking => !taking.IsDone);
        Opener busy = rig.Open();
        rig.Tpm.Log.Clear();
        for (int i = 0; i < 20; i++)
        {
            busy.Must(Cmd.ReadClock());
        }

        long filled = rig.Tpm.Log.Count(Cmd.GetRandomCode) - waiting;
        Assert.InRange(filled, 1, 20 + waiting);
    }

    /// <summary>
    /// The reserve was filled to a quarter only while commands kept coming, and never counted as full. So a user who
    /// had started 64 programs had no more of it, as long as another one kept the TPM busy.
    /// </summary>
    [Fact]
    public void Between_commands_the_reserve_gets_full_so_a_user_has_a_share_of_it_again()
    {
        using var rig = new Rig();
        Opener busy = rig.Open();
        for (int round = 0; round < 3; round++)
        {
            Opener[] programs = [.. Enumerable.Range(0, 70).Select(_ => rig.Open("user", uid: 1))];
            WhileBusy(rig, () =>
            {
                Array.ForEach(programs, program => program.Send(Cmd.GetRandom(8)));
                rig.Time.Advance(TimeSpan.FromSeconds(1));
            });
            Assert.Equal((round, ProbesOfUser), (round, programs.Count(program => program.IsDone)));
            for (int i = 0; i < 40; i++)
            {
                busy.Must(Cmd.ReadClock());
            }
        }
    }

    /// <summary>Does something while the TPM is busy for 30 s with a command.</summary>
    private static void WhileBusy(Rig rig, Action meanwhile)
    {
        rig.Tpm.Latency = code => code == 0x131 ? s_long : TimeSpan.Zero;
        rig.Tpm.Wait = span =>
        {
            if (span == s_long)
            {
                meanwhile();
                rig.Time.Advance(span);
            }
        };
        rig.Open().Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        Assert.True(rig.Manager.RunOne());
        rig.Tpm.Wait = rig.Time.Advance;
    }

    /// <summary>
    /// Sends the command with which a device TCTI begins, while the TPM is busy for 30 s; it is not answered before
    /// that is over.
    /// </summary>
    private static void AssertWaits(Rig rig, Opener newcomer)
    {
        rig.Tpm.Latency = code => code == 0x131 ? s_long : TimeSpan.Zero;
        rig.Tpm.Wait = span =>
        {
            if (span == s_long)
            {
                newcomer.Send(Cmd.GetRandom(8));
                rig.Time.Advance(span);
                Assert.False(newcomer.IsDone);
            }
        };
        Opener slow = rig.Open();
        slow.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        Assert.True(rig.Manager.RunOne());
        Assert.True(slow.IsDone);
    }
}
