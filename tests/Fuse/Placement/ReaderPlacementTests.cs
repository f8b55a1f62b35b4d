using TpmFs.Fuse.Placement;
using TpmFs.Os;
using TpmFs.TestSupport;

namespace TpmFs.Fuse.Tests.Placement;

/// <summary>Where the thread that reads requests is placed, and when it is let go.</summary>
public sealed class ReaderPlacementTests
{
    private const int Reader = 100;
    private const int Tpm = 200;
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
    public void The_reader_enters_the_idle_class_when_nobody_else_wants_its_CPU()
    {
        Looks(3);
        Assert.Equal(SchedulingClass.Other, _threads.ClassOf(Reader));
        Look();
        Assert.Equal(SchedulingClass.Idle, _threads.ClassOf(Reader));
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
        Assert.Equal([2], _threads.AffinityOf(Reader));
    }

    [Fact]
    public void A_reader_that_starves_is_let_go_for_longer_each_time()
    {
        foreach (double pause in (double[])[0.5, 1, 2, 4, 8, 8])
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

        Assert.Equal(6, _placement.Starvations);
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
    public void A_reader_that_starves_so_that_it_reads_nothing_is_known_afterwards()
    {
        LookUntilIdle();
        _placement.Rest();
        Assert.Equal(SchedulingClass.Other, _threads.ClassOf(Reader));
        Wait(TimeSpan.FromMilliseconds(8));
        Looks(10);
        Assert.Equal(SchedulingClass.Other, _threads.ClassOf(Reader));
        Assert.Equal(1, _placement.Starvations);
    }

    [Fact]
    public void A_reader_that_is_overtaken_is_let_go()
    {
        LookUntilIdle();
        _placement.Overtake();
        AssertFree();
        Looks(20);
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
    public void A_client_that_moves_is_followed_at_the_second_look()
    {
        Looks(20);
        _threads.ClientCpu = 3;
        Look();
        Assert.Equal([2], _threads.AffinityOf(Reader));
        Look();
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
            Look();
        }

        Assert.InRange(_placement.Moves - before, 0, 3);
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
