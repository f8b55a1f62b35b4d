using TpmFs.Os;

namespace TpmFs.Fuse.Tests.Placement;

/// <summary>When a placed reader, or its TPM, waits for a CPU for too long, and is let go.</summary>
public sealed class StarvationTests : PlacementTests
{
    [Fact]
    public void A_TPM_that_starves_lets_everything_go()
    {
        LookUntilIdle();
        Threads.OthersWaits[Tpm] = new CpuWaits(TimeSpan.FromMilliseconds(4), 1);
        Look();
        AssertFree();
        Assert.Null(Placement.Cpu);
        Assert.Equal(1, Placement.Starvations);
    }

    /// <summary>
    /// Where the whole machine is overloaded, the watching thread is late at each of the looks that it takes to see
    /// that the reader starves. A command took 1.2 s then, and 0.3 s with plain scheduling.
    /// </summary>
    [Fact]
    public void A_watching_thread_that_comes_late_lets_everything_go_and_places_nothing()
    {
        LookUntilIdle();
        Time.Advance(TimeSpan.FromMilliseconds(20));
        Look();
        AssertFree();
        for (int i = 0; i < 100; i++)
        {
            Time.Advance(TimeSpan.FromMilliseconds(20));
            Look();
            AssertFree();
        }

        Assert.Equal(1, Placement.Starvations);
    }

    [Fact]
    public void A_look_after_a_rest_is_not_late()
    {
        LookUntilIdle();
        Placement.Rest();
        Time.Advance(TimeSpan.FromSeconds(100));
        Looks(4);
        Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Reader));
        Assert.Equal(0, Placement.Starvations);
    }

    [Fact]
    public void A_reader_that_waits_for_others_is_not_placed()
    {
        for (int i = 0; i < 20; i++)
        {
            WaitForCpu(TimeSpan.FromMilliseconds(3));
            Look();
        }

        AssertFree();
        Assert.Null(Placement.Cpu);
    }

    [Fact]
    public void A_reader_that_starves_is_let_go_for_longer_each_time()
    {
        foreach (double pause in (double[])[0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8, 8])
        {
            LookUntilIdle();
            WaitForCpu(TimeSpan.FromMilliseconds(4));
            Look();
            Assert.Equal(SchedulingClass.Other, Threads.ClassOf(Reader));

            Looks((int)(pause * 1000 / 5) - 2);
            Assert.Equal(SchedulingClass.Other, Threads.ClassOf(Reader));
            Looks(4);
            Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Reader));
        }

        Assert.Equal(9, Placement.Starvations);
    }

    [Fact]
    public void A_reader_that_starves_now_and_then_is_let_go_shortly_each_time()
    {
        for (int i = 0; i < 10; i++)
        {
            LookUntilIdle();
            Looks(700);
            WaitForCpu(TimeSpan.FromMilliseconds(4));
            Look();
            Assert.Null(Placement.Cpu);
            Looks(24);
            Assert.NotNull(Placement.Cpu);
        }
    }

    [Fact]
    public void Waiting_behind_its_own_clients_is_no_starvation()
    {
        LookUntilIdle();
        WaitForCpu(TimeSpan.FromMilliseconds(4), slices: 10);
        Look();
        Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Reader));
    }

    [Fact]
    public void A_reader_that_starves_so_that_it_reads_nothing_is_told_from_one_that_rests()
    {
        LookUntilIdle();
        Placement.Rest();
        Assert.Equal(0, Placement.Starvations);

        LookUntilIdle();
        Threads.Ready.Add(Reader);
        Placement.Rest();
        AssertFree();
        Looks(10);
        AssertFree();
        Assert.Equal(1, Placement.Starvations);
    }

    [Fact]
    public void A_readers_wait_between_two_bursts_of_requests_is_no_starvation()
    {
        LookUntilIdle();
        Placement.Rest();
        for (int i = 0; i < 100; i++)
        {
            WaitForCpu(TimeSpan.FromMilliseconds(1));
            Look(requests: 1);
        }

        Look();
        Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Reader));
        Assert.Equal(0, Placement.Starvations);
    }

    [Fact]
    public void A_reader_that_is_overtaken_is_let_go()
    {
        LookUntilIdle();
        Placement.Overtake();
        AssertFree();
        Looks(10);
        Assert.Equal(SchedulingClass.Other, Threads.ClassOf(Reader));
    }

    [Fact]
    public void Clients_on_different_CPUs_that_have_to_wait_leave_the_reader_free()
    {
        Looks(20);
        for (int i = 0; i < 30; i++)
        {
            Threads.ClientCpu = i % 4;
            WaitForCpu(TimeSpan.FromMilliseconds(3));
            Look();
        }

        AssertFree();
        Assert.Null(Placement.Cpu);
    }

    [Fact]
    public void The_reader_is_let_go_when_its_waits_cannot_be_read_any_more()
    {
        LookUntilIdle();
        Threads.CountsWaits = false;
        Look();
        AssertFree();
        Looks(20);
        Assert.Null(Placement.Cpu);
    }
}
