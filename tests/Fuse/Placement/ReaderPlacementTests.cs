using TpmFs.Fuse.Placement;
using TpmFs.Os;
using TpmFs.TestSupport;

namespace TpmFs.Fuse.Tests.Placement;

/// <summary>Where the thread that reads requests is placed, and when it is let go.</summary>
public sealed class ReaderPlacementTests
{
    private const int Reader = 100;
    private const int Tpm = FakeThreads.Tpm;
    private const int Many = 50;

    private static readonly int[] s_all = [0, 1, 2, 3];

    private readonly FakeThreads _threads = new();
    private readonly ManualTime _time = new();
    private readonly ReaderPlacement _placement;
    private int _tpm = Tpm;

    public ReaderPlacementTests()
    {
        _placement = Placement(mayIdle: true);
    }

    [Fact]
    public void The_reader_and_the_TPM_go_where_the_client_is()
    {
        Looks(3);
        Assert.Equal([2], _threads.AffinityOf(Reader));
        Assert.Equal([2], _threads.AffinityOf(Tpm));
        Assert.Equal(2, _placement.Cpu);
    }

    [Fact]
    public void Few_requests_are_not_worth_it()
    {
        for (int i = 0; i < 20; i++)
        {
            Look(requests: 7);
        }

        Assert.Null(_placement.Cpu);
    }

    [Fact]
    public void The_reader_and_the_TPM_enter_the_idle_class_when_they_are_placed_and_leave_it_with_the_place()
    {
        Looks(2);
        Assert.Equal(SchedulingClass.Other, _threads.ClassOf(Reader));
        Look();
        Assert.Equal(SchedulingClass.Idle, _threads.ClassOf(Reader));
        Assert.Equal(SchedulingClass.Idle, _threads.ClassOf(Tpm));
        _placement.Rest();
        AssertFree();
    }

    /// <summary>
    /// The kernel counts a CPU as idle only while it runs, or keeps in its queue, nothing but threads of class
    /// SCHED_IDLE. A client that wakes up goes elsewhere otherwise. A TPM of the usual class, or the watching thread on
    /// the client's CPU, drove the client away several hundred times a second.
    /// </summary>
    [Fact]
    public void Where_nothing_else_runs_the_reader_is_placed_once_and_stays()
    {
        int client = 2;
        _threads.FindClient = () =>
        {
            bool isBusy = _threads.AffinityOf(FakeThreads.Watcher).SequenceEqual(s_all)
                || new[] { Reader, Tpm }.Any(thread => _threads.AffinityOf(thread).SequenceEqual([client])
                    && _threads.ClassOf(thread) != SchedulingClass.Idle);
            client = isBusy && _placement.Cpu is not null ? (client + 1) % s_all.Length : client;
            return client;
        };
        Looks(1000);
        Assert.Equal(2, _placement.Cpu);
        Assert.Equal(1, _placement.Moves);
        Assert.Equal(0, _placement.Starvations);
    }

    [Fact]
    public void The_watching_thread_keeps_off_the_readers_CPU_while_it_is_placed()
    {
        Looks(3);
        Assert.Equal([0, 1, 3], _threads.AffinityOf(FakeThreads.Watcher));
        _threads.ClientCpu = 0;
        Look();
        Assert.Equal([1, 2, 3], _threads.AffinityOf(FakeThreads.Watcher));
        _placement.Rest();
        Assert.Equal(s_all, _threads.AffinityOf(FakeThreads.Watcher));
    }

    [Fact]
    public void A_TPM_that_starves_lets_everything_go()
    {
        LookUntilIdle();
        _threads.OthersWaits[Tpm] = new CpuWaits(TimeSpan.FromMilliseconds(4), 1);
        Look();
        AssertFree();
        Assert.Null(_placement.Cpu);
        Assert.Equal(1, _placement.Starvations);
    }

    /// <summary>
    /// Where the whole machine is overloaded, the watching thread is late at each of the looks that it takes to see
    /// that the reader starves. A command took 1.2 s then, and 0.3 s with plain scheduling.
    /// </summary>
    [Fact]
    public void A_watching_thread_that_comes_late_lets_everything_go_and_places_nothing()
    {
        LookUntilIdle();
        _time.Advance(TimeSpan.FromMilliseconds(20));
        Look();
        AssertFree();
        for (int i = 0; i < 100; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(20));
            Look();
            AssertFree();
        }

        Assert.Equal(1, _placement.Starvations);
    }

    [Fact]
    public void A_look_after_a_rest_is_not_late()
    {
        LookUntilIdle();
        _placement.Rest();
        _time.Advance(TimeSpan.FromSeconds(100));
        Looks(4);
        Assert.Equal(SchedulingClass.Idle, _threads.ClassOf(Reader));
        Assert.Equal(0, _placement.Starvations);
    }

    [Fact]
    public void A_TPM_that_somebody_else_has_put_into_a_class_is_left_alone()
    {
        _threads.PutInto(Tpm, SchedulingClass.Idle);
        LookUntilIdle();
        _placement.Rest();
        Assert.Equal(SchedulingClass.Idle, _threads.ClassOf(Tpm));
        Assert.Equal(s_all, _threads.AffinityOf(Tpm));
    }

    [Fact]
    public void A_reader_that_waits_for_others_is_not_placed()
    {
        for (int i = 0; i < 20; i++)
        {
            Wait(TimeSpan.FromMilliseconds(3));
            Look();
        }

        AssertFree();
        Assert.Null(_placement.Cpu);
    }

    [Fact]
    public void Where_the_idle_class_cannot_be_left_it_is_not_entered()
    {
        ReaderPlacement placement = Placement(mayIdle: false);
        for (int i = 0; i < 20; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(5));
            placement.Look(Reader, Many);
        }

        Assert.Equal(SchedulingClass.Other, _threads.ClassOf(Reader));
        Assert.Equal(SchedulingClass.Other, _threads.ClassOf(Tpm));
        Assert.Equal([2], _threads.AffinityOf(Reader));
    }

    [Fact]
    public void A_reader_that_starves_is_let_go_for_longer_each_time()
    {
        foreach (double pause in (double[])[0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8, 8])
        {
            LookUntilIdle();
            Wait(TimeSpan.FromMilliseconds(4));
            Look();
            Assert.Equal(SchedulingClass.Other, _threads.ClassOf(Reader));

            Looks((int)(pause * 1000 / 5) - 2);
            Assert.Equal(SchedulingClass.Other, _threads.ClassOf(Reader));
            Looks(4);
            Assert.Equal(SchedulingClass.Idle, _threads.ClassOf(Reader));
        }

        Assert.Equal(9, _placement.Starvations);
    }

    [Fact]
    public void A_reader_that_starves_now_and_then_is_let_go_shortly_each_time()
    {
        for (int i = 0; i < 10; i++)
        {
            LookUntilIdle();
            Looks(700);
            Wait(TimeSpan.FromMilliseconds(4));
            Look();
            Assert.Null(_placement.Cpu);
            Looks(24);
            Assert.NotNull(_placement.Cpu);
        }
    }

    [Fact]
    public void Waiting_behind_its_own_clients_is_no_starvation()
    {
        LookUntilIdle();
        _threads.Waits = new CpuWaits(_threads.Waits.Delay + TimeSpan.FromMilliseconds(4), _threads.Waits.Slices + 10);
        Look();
        Assert.Equal(SchedulingClass.Idle, _threads.ClassOf(Reader));
    }

    [Fact]
    public void A_reader_that_starves_so_that_it_reads_nothing_is_told_from_one_that_rests()
    {
        LookUntilIdle();
        _placement.Rest();
        Assert.Equal(0, _placement.Starvations);

        LookUntilIdle();
        _threads.Ready.Add(Reader);
        _placement.Rest();
        AssertFree();
        Looks(10);
        AssertFree();
        Assert.Equal(1, _placement.Starvations);
    }

    [Fact]
    public void What_a_reader_waits_between_two_bursts_of_requests_is_no_starvation()
    {
        LookUntilIdle();
        _placement.Rest();
        for (int i = 0; i < 100; i++)
        {
            Wait(TimeSpan.FromMilliseconds(1));
            Look(requests: 1);
        }

        Look();
        Assert.Equal(SchedulingClass.Idle, _threads.ClassOf(Reader));
        Assert.Equal(0, _placement.Starvations);
    }

    [Fact]
    public void A_reader_that_is_overtaken_is_let_go()
    {
        LookUntilIdle();
        _placement.Overtake();
        AssertFree();
        Looks(10);
        Assert.Equal(SchedulingClass.Other, _threads.ClassOf(Reader));
    }

    [Fact]
    public void Without_requests_everything_runs_as_before()
    {
        LookUntilIdle();
        _placement.Rest();
        AssertFree();
    }

    [Fact]
    public void Another_reader_takes_the_place_of_the_last_one()
    {
        LookUntilIdle();
        _placement.Look(Reader + 1, Many);
        AssertFree(Reader);
        _placement.Look(Reader + 1, Many);
        _placement.Look(Reader + 1, Many);
        Assert.Equal([2], _threads.AffinityOf(Reader + 1));
    }

    [Fact]
    public void A_client_that_moves_is_followed_at_the_next_look_however_often_it_does()
    {
        for (int i = 0; i < 40; i++)
        {
            _threads.ClientCpu = 2 + (i % 2);
            Looks(3);
            Assert.Equal([2 + (i % 2)], _threads.AffinityOf(Reader));
        }
        Assert.Equal([3], _threads.AffinityOf(Reader));
        Assert.Equal([3], _threads.AffinityOf(Tpm));
    }

    [Fact]
    public void Clients_on_different_CPUs_are_not_chased()
    {
        Looks(20);
        long before = _placement.Moves;
        for (int i = 0; i < 100; i++)
        {
            _threads.ClientCpu = i / 2 % 4;
            _placement.Note((uint)i);
            Look();
        }

        Assert.InRange(_placement.Moves - before, 0, 4);
    }

    [Fact]
    public void Clients_on_different_CPUs_that_have_to_wait_leave_the_reader_free()
    {
        Looks(20);
        for (int i = 0; i < 30; i++)
        {
            _threads.ClientCpu = i % 4;
            Wait(TimeSpan.FromMilliseconds(3));
            Look();
        }

        AssertFree();
        Assert.Null(_placement.Cpu);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(100_000)]
    [InlineData(null)]
    public void A_client_on_a_CPU_that_is_not_allowed_or_not_known_is_not_followed(int? cpu)
    {
        _threads.ClientCpu = cpu;
        Looks(20);
        Assert.Null(_placement.Cpu);
        Assert.Equal(s_all, _threads.AffinityOf(Reader));
    }

    [Fact]
    public void A_client_that_goes_where_the_daemon_may_not_leaves_the_reader_free()
    {
        LookUntilIdle();
        _threads.Allowed = [0, 1, 2];
        _threads.ClientCpu = 3;
        Look();
        AssertFree();
    }

    [Fact]
    public void With_one_CPU_allowed_nothing_is_placed()
    {
        LookUntilIdle();
        _threads.Allowed = [1];
        Look();
        AssertFree();
        Looks(20);
        Assert.Null(_placement.Cpu);
    }

    [Fact]
    public void A_CPU_that_is_taken_off_is_given_up()
    {
        _threads.Online = [0, 1];
        Looks(20);
        Assert.Null(_placement.Cpu);
        Assert.Equal(s_all, _threads.AffinityOf(Reader));
    }

    [Fact]
    public void A_TPM_that_somebody_else_has_placed_stays_where_it_is()
    {
        _threads.Pin(Tpm, [0, 1]);
        LookUntilIdle();
        Assert.Equal([0, 1], _threads.AffinityOf(Tpm));
        _placement.Rest();
        Assert.Equal([0, 1], _threads.AffinityOf(Tpm));
    }

    [Fact]
    public void A_TPM_that_was_started_again_is_moved_too_and_the_id_of_the_last_one_is_left_alone()
    {
        Looks(5);
        _tpm = Tpm + 1;
        Look();
        Assert.Equal([2], _threads.AffinityOf(Tpm + 1));
        _threads.Pin(Tpm, [0]);
        _placement.Rest();
        Assert.Equal([0], _threads.AffinityOf(Tpm));
        Assert.Equal(s_all, _threads.AffinityOf(Tpm + 1));
    }

    [Fact]
    public void Threads_that_the_placed_one_started_are_freed()
    {
        LookUntilIdle();
        _threads.Own.AddRange([Reader, 7]);
        _threads.PutInto(7, SchedulingClass.Idle);
        _threads.Pin(7, [2]);
        Looks(20);
        Assert.Equal(SchedulingClass.Other, _threads.ClassOf(7));
        Assert.Equal(s_all, _threads.AffinityOf(7));
        Assert.Equal(SchedulingClass.Idle, _threads.ClassOf(Reader));
    }

    [Fact]
    public void Where_waits_cannot_be_read_any_more_the_reader_is_let_go()
    {
        LookUntilIdle();
        _threads.CountsWaits = false;
        Look();
        AssertFree();
        Looks(20);
        Assert.Null(_placement.Cpu);
    }

    private ReaderPlacement Placement(bool mayIdle) =>
        new(_threads, new Companions(_threads, [() => _tpm]), mayIdle, _time);

    private void AssertFree(int reader = Reader)
    {
        Assert.Equal(SchedulingClass.Other, _threads.ClassOf(reader));
        Assert.Equal(_threads.Allowed, _threads.AffinityOf(reader));
        if (_placement.Cpu is null)
        {
            Assert.Equal(_threads.Allowed, _threads.AffinityOf(Tpm));
        }
    }

    /// <summary>The reader has waited for its CPU in one piece.</summary>
    private void Wait(TimeSpan time) => _threads.Waits =
        new CpuWaits(_threads.Waits.Delay + time, _threads.Waits.Slices + 1);

    private void Look(long requests = Many)
    {
        _time.Advance(TimeSpan.FromMilliseconds(5));
        _placement.Look(Reader, requests);
    }

    private void Looks(int count)
    {
        for (int i = 0; i < count; i++)
        {
            Look();
        }
    }

    private void LookUntilIdle()
    {
        for (int i = 0; i < 2000 && _threads.ClassOf(Reader) != SchedulingClass.Idle; i++)
        {
            Look();
        }

        Assert.Equal(SchedulingClass.Idle, _threads.ClassOf(Reader));
    }
}
