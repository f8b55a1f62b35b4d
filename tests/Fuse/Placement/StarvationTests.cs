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
        foreach (double pause in (double[])[0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 8, 8])
        {
            Starve();
            Assert.Equal(SchedulingClass.Other, Threads.ClassOf(Reader));

            Looks((int)(pause * 1000 / 5) - 2);
            Assert.Equal(SchedulingClass.Other, Threads.ClassOf(Reader));
            Looks(4);
            Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Reader));
        }

        Assert.Equal(11, Placement.Starvations);
    }

    /// <summary>
    /// Programs that start or end make a reader wait for some milliseconds. While the pauses were longer, and were
    /// remembered for 3 s, an idle machine on which that happened twice a second spent most of its time in pauses.
    /// </summary>
    [Fact]
    public void A_reader_that_starves_now_and_then_is_let_go_shortly_each_time()
    {
        for (int i = 0; i < 10; i++)
        {
            Starve(after: 100);
            Assert.Null(Placement.Cpu);
            Looks(6);
            Assert.NotNull(Placement.Cpu);
        }
    }

    /// <summary>Otherwise clients that come and go beside busy loops would starve anew each time.</summary>
    [Fact]
    public void A_reader_that_starves_again_after_a_rest_is_let_go_for_longer()
    {
        for (int i = 0; i < 3; i++)
        {
            Starve();
        }

        Placement.Rest();
        Time.Advance(TimeSpan.FromMinutes(1));
        Starve(after: 10);
        Looks(30);
        Assert.Null(Placement.Cpu);
        Looks(4);
        Assert.NotNull(Placement.Cpu);
    }

    /// <summary>
    /// The compiler's threads run for milliseconds on the reader's CPU, which counts as idle, now and then for as long
    /// as the daemon is young. While that was remembered, the reader was not placed for seconds.
    /// </summary>
    [Fact]
    public void A_reader_that_was_placed_for_a_while_is_let_go_shortly_however_often_it_starved_before()
    {
        for (int i = 0; i < 8; i++)
        {
            Starve();
        }

        Starve(after: 25);
        Assert.Null(Placement.Cpu);
        Looks(6);
        Assert.NotNull(Placement.Cpu);
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
        Looks(3);
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
        Looks(3);
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

    /// <summary>Makes the reader starve that is placed, or is placed first, after so many further looks.</summary>
    private void Starve(int after = 0)
    {
        LookUntilIdle();
        Looks(after);
        WaitForCpu(TimeSpan.FromMilliseconds(4));
        Look();
    }
}
