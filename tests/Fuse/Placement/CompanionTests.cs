using TpmFs.Os;

namespace TpmFs.Fuse.Tests.Placement;

/// <summary>The threads that are placed with the reader, or are kept away from it.</summary>
public sealed class CompanionTests : PlacementTests
{
    [Fact]
    public void The_watching_thread_keeps_off_the_readers_CPU_while_it_is_placed()
    {
        Looks(3);
        Assert.Equal([0, 1, 3], Threads.AffinityOf(FakeThreads.Watcher));
        Threads.ClientCpu = 0;
        Look();
        Assert.Equal([1, 2, 3], Threads.AffinityOf(FakeThreads.Watcher));
        Placement.Rest();
        Assert.Equal(FakeThreads.All, Threads.AffinityOf(FakeThreads.Watcher));
    }

    [Fact]
    public void A_TPM_that_somebody_else_has_put_into_a_class_is_left_alone()
    {
        Threads.PutInto(Tpm, SchedulingClass.Idle);
        LookUntilIdle();
        Placement.Rest();
        Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Tpm));
        Assert.Equal(FakeThreads.All, Threads.AffinityOf(Tpm));
    }

    [Fact]
    public void A_TPM_that_somebody_else_has_placed_stays_where_it_is()
    {
        Threads.Pin(Tpm, [0, 1]);
        LookUntilIdle();
        Assert.Equal([0, 1], Threads.AffinityOf(Tpm));
        Placement.Rest();
        Assert.Equal([0, 1], Threads.AffinityOf(Tpm));
    }

    [Fact]
    public void A_TPM_that_was_started_again_is_moved_too_and_the_id_of_the_last_one_is_left_alone()
    {
        Looks(5);
        TpmProcess = Tpm + 1;
        Look();
        Assert.Equal([2], Threads.AffinityOf(Tpm + 1));
        Threads.Pin(Tpm, [0]);
        Placement.Rest();
        Assert.Equal([0], Threads.AffinityOf(Tpm));
        Assert.Equal(FakeThreads.All, Threads.AffinityOf(Tpm + 1));
    }

    [Fact]
    public void Threads_that_the_placed_one_started_are_freed()
    {
        LookUntilIdle();
        Threads.Own.AddRange([Reader, 7]);
        Threads.PutInto(7, SchedulingClass.Idle);
        Threads.Pin(7, [2]);
        Looks(20);
        Assert.Equal(SchedulingClass.Other, Threads.ClassOf(7));
        Assert.Equal(FakeThreads.All, Threads.AffinityOf(7));
        Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Reader));
    }
}
