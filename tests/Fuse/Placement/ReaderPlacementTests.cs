using TpmFs.Fuse.Placement;
using TpmFs.Os;

namespace TpmFs.Fuse.Tests.Placement;

/// <summary>Where the thread that reads requests is placed, and which clients it follows.</summary>
public sealed class ReaderPlacementTests : PlacementTests
{
    [Fact]
    public void The_reader_and_the_TPM_go_where_the_client_is()
    {
        Looks(3);
        Assert.Equal([2], Threads.AffinityOf(Reader));
        Assert.Equal([2], Threads.AffinityOf(Tpm));
        Assert.Equal(2, Placement.Cpu);
    }

    [Fact]
    public void Few_requests_are_not_worth_it()
    {
        for (int i = 0; i < 20; i++)
        {
            Look(requests: 7);
        }

        Assert.Null(Placement.Cpu);
    }

    /// <summary>
    /// The kernel lets no client end whose write is not answered. To look a client up at another time is dangerous.
    /// </summary>
    [Fact]
    public void Only_a_client_whose_write_waits_is_looked_up()
    {
        int lookups = 0;
        Threads.FindClient = () =>
        {
            lookups++;
            return 2;
        };
        for (int i = 0; i < 20; i++)
        {
            Placement.Look(Reader, Many);
        }

        Assert.Equal(0, lookups);
        Assert.Null(Placement.Cpu);
        Looks(3);
        Assert.NotNull(Placement.Cpu);
        lookups = 0;
        for (int i = 0; i < 320; i++)
        {
            Placement.NoteWrite(1);
        }

        Assert.InRange(lookups, 10, 11);
    }

    [Fact]
    public void Where_a_client_was_before_a_rest_says_nothing()
    {
        Looks(3);
        Placement.NoteWrite(1);
        Placement.Rest();
        Threads.ClientCpu = 3;
        for (int i = 0; i < 4; i++)
        {
            Placement.Look(Reader, Many);
        }

        Assert.Null(Placement.Cpu);
        Looks(1);
        Assert.Equal([3], Threads.AffinityOf(Reader));
    }

    [Fact]
    public void The_reader_and_the_TPM_enter_the_idle_class_when_they_are_placed_and_leave_it_with_the_place()
    {
        Looks(2);
        Assert.Equal(SchedulingClass.Other, Threads.ClassOf(Reader));
        Look();
        Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Reader));
        Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Tpm));
        Placement.Rest();
        AssertFree();
    }

    /// <summary>
    /// The kernel counts a CPU as idle only while it runs, or keeps in its queue, nothing but threads of class
    /// SCHED_IDLE. A client that wakes up goes elsewhere otherwise. A TPM of the usual class, or the watching thread on
    /// the client's CPU, drove the client away several hundred times a second.
    /// </summary>
    [Fact]
    public void The_reader_is_placed_once_and_stays_where_nothing_else_runs()
    {
        int client = 2;
        Threads.FindClient = () =>
        {
            bool isBusy = Threads.AffinityOf(FakeThreads.Watcher).SequenceEqual(FakeThreads.All)
                || new[] { Reader, Tpm }.Any(thread => Threads.AffinityOf(thread).SequenceEqual([client])
                    && Threads.ClassOf(thread) != SchedulingClass.Idle);
            client = isBusy && Placement.Cpu is not null ? (client + 1) % FakeThreads.All.Length : client;
            return client;
        };
        Looks(1000);
        Assert.Equal(2, Placement.Cpu);
        Assert.Equal(1, Placement.Moves);
        Assert.Equal(0, Placement.Starvations);
    }

    [Fact]
    public void The_reader_does_not_enter_an_idle_class_that_it_cannot_leave()
    {
        ReaderPlacement placement = NewPlacement(mayIdle: false);
        for (int i = 0; i < 20; i++)
        {
            Time.Advance(TimeSpan.FromMilliseconds(5));
            placement.NoteWrite(1);
            placement.Look(Reader, Many);
        }

        Assert.Equal(SchedulingClass.Other, Threads.ClassOf(Reader));
        Assert.Equal(SchedulingClass.Other, Threads.ClassOf(Tpm));
        Assert.Equal([2], Threads.AffinityOf(Reader));
    }

    [Fact]
    public void Without_requests_everything_runs_as_before()
    {
        LookUntilIdle();
        Placement.Rest();
        AssertFree();
    }

    [Fact]
    public void Another_reader_takes_the_place_of_the_last_one()
    {
        LookUntilIdle();
        for (int i = 0; i < 3; i++)
        {
            Placement.NoteWrite(1);
            Placement.Look(Reader + 1, Many);
            AssertFree(Reader);
        }

        Assert.Equal([2], Threads.AffinityOf(Reader + 1));
    }

    [Fact]
    public void A_client_that_moves_is_followed_at_the_next_look_however_often_it_does()
    {
        for (int i = 0; i < 40; i++)
        {
            Threads.ClientCpu = 2 + (i % 2);
            Looks(3);
            Assert.Equal([2 + (i % 2)], Threads.AffinityOf(Reader));
        }
        Assert.Equal([3], Threads.AffinityOf(Reader));
        Assert.Equal([3], Threads.AffinityOf(Tpm));
    }

    [Fact]
    public void Clients_on_different_CPUs_are_not_chased()
    {
        Looks(20);
        long before = Placement.Moves;
        for (int i = 0; i < 100; i++)
        {
            Threads.ClientCpu = i / 2 % 4;
            Look(client: (uint)i + 1);
        }

        Assert.InRange(Placement.Moves - before, 0, 4);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(100_000)]
    [InlineData(null)]
    public void A_client_on_a_CPU_that_is_not_allowed_or_not_known_is_not_followed(int? cpu)
    {
        Threads.ClientCpu = cpu;
        Looks(20);
        Assert.Null(Placement.Cpu);
        Assert.Equal(FakeThreads.All, Threads.AffinityOf(Reader));
    }

    [Fact]
    public void A_client_that_goes_where_the_daemon_may_not_leaves_the_reader_free()
    {
        LookUntilIdle();
        Threads.Allowed = [0, 1, 2];
        Threads.ClientCpu = 3;
        Look();
        AssertFree();
    }

    [Fact]
    public void With_one_CPU_allowed_nothing_is_placed()
    {
        LookUntilIdle();
        Threads.Allowed = [1];
        Look();
        AssertFree();
        Looks(20);
        Assert.Null(Placement.Cpu);
    }

    [Fact]
    public void A_CPU_that_is_taken_off_is_given_up()
    {
        Threads.Online = [0, 1];
        Looks(20);
        Assert.Null(Placement.Cpu);
        Assert.Equal(FakeThreads.All, Threads.AffinityOf(Reader));
    }
}
