using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>Tests which thread reads the device at which time.</summary>
public sealed class ReadingTurnTests
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);
    private readonly ReadingTurn _turn = new();

    [Fact]
    public void One_of_many_threads_has_the_turn_and_another_gets_it_when_it_is_passed_on()
    {
        const int Requests = 5_000;
        int served = 0;
        int readers = 0;
        bool wereTwo = false;
        Thread[] threads = Start(4, () =>
        {
            while (_turn.Await())
            {
                bool isHolder = true;
                while (isHolder)
                {
                    wereTwo |= Interlocked.Increment(ref readers) > 1;
                    int number = Interlocked.Increment(ref served);
                    Interlocked.Decrement(ref readers);
                    if (number >= Requests)
                    {
                        _turn.Leave();
                        return;
                    }

                    long step = _turn.Serve();
                    if (number % 3 == 0)
                    {
                        _turn.Pass(step);
                        isHolder = false;
                    }
                    else
                    {
                        isHolder = _turn.TryKeep(step);
                    }
                }
            }
        });

        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref served) >= Requests, s_deadline), "The turn was lost.");
        Assert.True(_turn.End(s_deadline));
        Join(threads);
        Assert.False(wereTwo);
    }

    [Fact]
    public void A_holder_that_does_not_get_on_is_overtaken()
    {
        Assert.True(_turn.Await());
        long step = _turn.Serve();
        Thread[] threads = Start(1, () => Assert.True(_turn.Await()));

        Join(threads);

        Assert.False(_turn.TryKeep(step));
    }

    [Fact]
    public void A_thread_that_sleeps_is_called_and_still_overtakes()
    {
        Assert.True(_turn.Await());
        Thread[] threads = Start(1, () => Assert.True(_turn.Await()));
        Assert.True(SpinWait.SpinUntil(() => _turn.MustCall, s_deadline), "Who waits did not go to sleep.");

        long step = _turn.Serve();

        Join(threads);
        Assert.False(_turn.TryKeep(step));
    }

    [Fact]
    public void A_turn_that_nobody_waits_for_comes_back_to_who_passed_it_on()
    {
        Assert.True(_turn.Await());
        _turn.Pass(_turn.Serve());

        Assert.True(_turn.Await());
    }

    [Fact]
    public void A_holder_that_was_overtaken_passes_nothing_on()
    {
        Assert.True(_turn.Await());
        long step = _turn.Serve();
        Join(Start(1, () => Assert.True(_turn.Await())));

        _turn.Pass(step);

        Thread[] waiting = Start(1, () => Assert.False(_turn.Await()));
        Assert.True(SpinWait.SpinUntil(() => _turn.MustCall, s_deadline), "The turn was given to a second thread.");
        Assert.False(_turn.End(TimeSpan.FromMilliseconds(1)));
        Join(waiting);
    }

    [Fact]
    public void The_end_lets_who_waits_go_and_does_not_wait_for_who_serves()
    {
        Assert.True(_turn.Await());
        Thread[] threads = Start(3, () => Assert.False(_turn.Await()));
        _turn.Serve();

        Assert.True(_turn.End(s_deadline));

        Join(threads);
        Assert.False(_turn.Await());
    }

    private static Thread[] Start(int count, ThreadStart action)
    {
        Thread[] threads = [.. Enumerable.Range(0, count).Select(_ => new Thread(action) { IsBackground = true })];
        Array.ForEach(threads, thread => thread.Start());
        return threads;
    }

    private static void Join(Thread[] threads) =>
        Assert.All(threads, thread => Assert.True(thread.Join(s_deadline), "A thread hangs."));
}
