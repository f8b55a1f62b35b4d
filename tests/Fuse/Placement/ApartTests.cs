using TpmFs.Os;

namespace TpmFs.Fuse.Tests.Placement;

/// <summary>When TPMs work on another CPU than the reader.</summary>
public sealed class ApartTests : PlacementTests
{
    private const int LooksOfTrial = 12;

    private bool IsApart => Placement.Companions.AreApart;

    [Fact]
    public void The_TPM_and_the_thread_for_commands_go_to_another_CPU_where_clients_get_more_done_then()
    {
        Looks(3);
        Run(LooksOfTrial, beside: 50, apart: 100);
        Assert.True(IsApart);
        Assert.True(Commands.IsOpen);
        Assert.Equal([2], Threads.AffinityOf(Reader));
        int[] other = Threads.AffinityOf(Tpm);
        Assert.NotEqual(2, Assert.Single(other));
        Assert.Equal(other, Threads.AffinityOf(Commands.Id));
        Assert.Equal(other, Threads.AffinityOf(Commands.BallastId));
        Assert.Equal(SchedulingClass.Other, Threads.ClassOf(Tpm));
        Assert.Equal(SchedulingClass.Other, Threads.ClassOf(Commands.Id));
        Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Commands.BallastId));
        Run(200, beside: 50, apart: 100);
        Assert.True(Placement.Companions.TimesApart > 0);
    }

    [Fact]
    public void Where_clients_get_hardly_more_done_the_TPM_comes_back_and_is_tried_less_and_less_often()
    {
        Looks(3);
        int apart = Run(1000, beside: 50, apart: 54);
        Assert.InRange(apart, 10, 150);
        Assert.Equal(0, Placement.Companions.TimesApart);
        Run(200, beside: 50, apart: 0, until: () => !IsApart);
        Assert.False(Commands.IsOpen);
        Assert.Equal([2], Threads.AffinityOf(Tpm));
        Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Tpm));
    }

    /// <summary>What the other CPU is worth may change at any time.</summary>
    [Fact]
    public void Where_clients_get_less_done_later_the_TPM_comes_back()
    {
        Looks(3);
        Run(200, beside: 50, apart: 100, until: () => Placement.Companions.TimesApart > 0);
        Assert.True(IsApart);
        Run(LooksOfTrial, beside: 50, apart: 40, until: () => !IsApart);
        Assert.False(IsApart);
    }

    /// <summary>What was counted beside the reader may have been a bad moment.</summary>
    [Fact]
    public void What_clients_get_done_beside_the_reader_is_counted_anew()
    {
        Looks(3);
        Run(200, beside: 20, apart: 40, until: () => Placement.Companions.TimesApart > 0);
        Run(500, beside: 50, apart: 40, until: () => !IsApart);
        int apart = Run(400, beside: 50, apart: 40);
        Assert.InRange(apart, 0, 100);
    }

    [Fact]
    public void One_file_at_a_time_is_no_reason_to_try()
    {
        Looks(3);
        for (int i = 0; i < 100; i++)
        {
            Commanded(50, mayBeApart: false);
            Look();
        }

        Assert.False(IsApart);
        Assert.False(Commands.IsOpen);
    }

    [Fact]
    public void Several_clients_are_no_reason_to_try()
    {
        for (int i = 0; i < 100; i++)
        {
            Commanded(50, mayBeApart: true);
            Look(client: (uint)(i / 4 % 2) + 1);
        }

        Assert.NotNull(Placement.Cpu);
        Assert.False(IsApart);
    }

    [Fact]
    public void A_thread_that_is_stuck_at_a_command_while_others_wait_ends_the_trial()
    {
        Looks(3);
        Run(LooksOfTrial, beside: 50, apart: 100);
        Commands.Stuck = true;
        Look();
        Assert.False(IsApart);
        Assert.False(Commands.IsOpen);
        Assert.Equal([2], Threads.AffinityOf(Tpm));
    }

    [Fact]
    public void The_TPM_s_waits_for_another_CPU_are_not_the_reader_s()
    {
        Looks(3);
        Run(LooksOfTrial, beside: 50, apart: 100);
        Threads.OthersWaits[Tpm] = new CpuWaits(TimeSpan.FromSeconds(1), 1);
        Look();
        Assert.Equal(0, Placement.Starvations);
        Assert.NotNull(Placement.Cpu);
    }

    [Fact]
    public void The_waits_that_the_TPM_had_apart_do_not_count_when_it_comes_back()
    {
        Looks(3);
        Run(LooksOfTrial, beside: 50, apart: 100);
        Threads.OthersWaits[Tpm] = new CpuWaits(TimeSpan.FromSeconds(1), 1);
        Commands.Stuck = true;
        Looks(3);
        Assert.Equal(0, Placement.Starvations);
        Assert.Equal([2], Threads.AffinityOf(Tpm));
    }

    [Fact]
    public void A_client_that_comes_to_the_TPM_s_CPU_drives_the_TPM_to_another_one()
    {
        Looks(3);
        Run(LooksOfTrial, beside: 50, apart: 100);
        Threads.ClientCpu = Assert.Single(Threads.AffinityOf(Tpm));
        Look();
        Assert.Equal([Threads.ClientCpu.Value], Threads.AffinityOf(Reader));
        Assert.NotEqual(Threads.AffinityOf(Reader), Threads.AffinityOf(Tpm));
        Assert.Equal(Threads.AffinityOf(Commands.Id), Threads.AffinityOf(Tpm));
    }

    [Fact]
    public void A_CPU_that_is_not_allowed_any_more_is_left()
    {
        Looks(3);
        Run(LooksOfTrial, beside: 50, apart: 100);
        Threads.Allowed = [.. FakeThreads.All.Except(Threads.AffinityOf(Tpm))];
        Look();
        Assert.Contains(Assert.Single(Threads.AffinityOf(Tpm)), Threads.Allowed);
        Assert.Equal(Threads.AffinityOf(Commands.Id), Threads.AffinityOf(Tpm));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Without_a_placed_reader_everything_runs_as_before(bool isStarved)
    {
        Looks(3);
        Run(LooksOfTrial, beside: 50, apart: 100);
        if (isStarved)
        {
            Placement.Overtake();
        }
        else
        {
            Placement.Rest();
        }

        AssertFree();
        AssertFree(Commands.Id);
        AssertFree(Commands.BallastId);
        Assert.False(Commands.IsOpen);
        Assert.Empty(Threads.Claimed);
    }

    [Fact]
    public void The_next_trial_takes_another_CPU()
    {
        Looks(3);
        var taken = new HashSet<int>();
        for (int i = 0; i < 3; i++)
        {
            Run(500, beside: 50, apart: 50, until: () => IsApart);
            Run(1, beside: 50, apart: 50);
            taken.Add(Assert.Single(Threads.AffinityOf(Tpm)));
            Run(500, beside: 50, apart: 50, until: () => !IsApart);
        }

        Assert.Equal([0, 1, 3], taken.Order());
    }

    /// <summary>Looks at clients that get so many commands done between two looks.</summary>
    /// <returns>At how many looks the TPM was apart.</returns>
    private int Run(int looks, int beside, int apart, Func<bool>? until = null)
    {
        int count = 0;
        for (int i = 0; i < looks && until?.Invoke() != true; i++)
        {
            count += IsApart ? 1 : 0;
            Commanded(IsApart ? apart : beside, mayBeApart: true);
            Look();
        }

        return count;
    }

    private void Commanded(int count, bool mayBeApart)
    {
        for (int i = 0; i < count; i++)
        {
            Placement.Companions.NoteCommand(mayBeApart);
        }
    }
}
