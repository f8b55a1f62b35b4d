using System.Collections.Concurrent;
using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>
/// The thread that took a write is lent to the filesystem after the write is answered
/// (<see cref="FuseFileSystem.Lend"/>), and other threads serve meanwhile.
/// </summary>
public sealed class LentThreadTests : IDisposable
{
    private readonly SessionFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void While_a_write_is_gone_on_with_the_other_thread_serves_and_the_next_write_is_not_held_up()
    {
        using FuseSession session = _fixture.ServingSession();
        _fixture.FileSystem.OnLend = HoldThread;
        for (uint unique = 10; unique < 20; unique += 2)
        {
            // From the fourth time on the turn is passed on beforehand, since the first three took long.
            _fixture.Send(SessionFixture.Write(unique));
            Assert.Equal(unique, _fixture.Answer().Unique);
            _fixture.Gate.AwaitHandler();

            _fixture.Send(Captured.Flush);
            Assert.Equal(0x174u, _fixture.Answer().Unique);
            _fixture.Gate.LetGo();
        }
    }

    [Fact]
    public async Task Stop_waits_for_a_write_that_is_gone_on_with()
    {
        using FuseSession session = _fixture.ServingSession();
        _fixture.FileSystem.OnLend = HoldThread;
        _fixture.Send(SessionFixture.Write(10));
        Assert.Equal(10u, _fixture.Answer().Unique);
        _fixture.Gate.AwaitHandler();

        var stopped = Task.Run(session.Stop);
        Assert.Equal(FuseSessionEnd.Stopped, await session.Ending.WaitAsync(SessionFixture.Deadline));
        Assert.False(session.Ended.IsCompleted);
        _fixture.Gate.LetGo();

        await stopped.WaitAsync(SessionFixture.Deadline);
        Assert.Empty(_fixture.Log.Errors);
        Assert.Equal(FuseSessionEnd.Stopped, await session.Ended.WaitAsync(SessionFixture.Deadline));
    }

    [Fact]
    public void While_several_files_are_written_to_all_requests_that_are_there_are_taken_first()
    {
        var events = new ConcurrentQueue<string>();
        using var done = new CountdownEvent(4);
        bool isFirst = true;
        _fixture.FileSystem.OnLend = open =>
        {
            // A thread is lent twice for the first file: other files come in between.
            bool isAgain = isFirst;
            isFirst = false;
            int writes = _fixture.FileSystem.Calls.Count(call => call.StartsWith("write", StringComparison.Ordinal));
            events.Enqueue($"{open.Value} after {writes}");
            done.Signal();
            return isAgain ? FuseLendResult.Again : FuseLendResult.Done;
        };
        _fixture.SendInitAndWrites(7, 8, 9);

        // With another thread, a thread would be lent at once for a write that takes long.
        using FuseSession session = _fixture.StartedSession(new FuseSessionOptions { Threads = 1 });

        Assert.True(done.Wait(SessionFixture.Deadline));
        Assert.Equal(["7 after 3", "8 after 3", "9 after 3", "7 after 3"], events);
    }

    /// <summary>
    /// A hundred threads that look at files all the time kept the commands of all users waiting for seconds.
    /// </summary>
    [Fact]
    public void Requests_that_keep_coming_do_not_keep_a_thread_from_being_lent()
    {
        const int Requests = 200;
        var taken = new ConcurrentQueue<int>();
        using var done = new CountdownEvent(2);
        _fixture.FileSystem.OnLend = _ =>
        {
            taken.Enqueue(_fixture.FileSystem.Calls.Count(call => call.StartsWith("flush", StringComparison.Ordinal)));
            done.Signal();
            return FuseLendResult.Done;
        };
        _fixture.SendInitAndWrites(7, 8);
        for (int i = 0; i < Requests; i++)
        {
            _fixture.Send(Captured.Flush);
        }

        using FuseSession session = _fixture.StartedSession(new FuseSessionOptions { Threads = 1 });

        Assert.True(done.Wait(SessionFixture.Deadline));
        Assert.All(taken, requests => Assert.InRange(requests, 0, Requests - 50)); // 64 for each
    }

    /// <summary>
    /// Regression: a thread that lost its turn while it served a write left that write to the reading thread. That
    /// thread was at its wait for a request already, so no thread was lent for the write.
    /// </summary>
    [Fact]
    public async Task A_thread_that_lost_its_turn_is_lent_for_its_write_though_no_other_request_comes()
    {
        using var first = new CountdownEvent(3);
        using var last = new ManualResetEventSlim();
        _fixture.FileSystem.OnWrite = open =>
        {
            if (open.Value == 10)
            {
                _fixture.Gate.Hold();
            }
        };
        _fixture.FileSystem.OnLend = open =>
        {
            if (open.Value == 10)
            {
                last.Set();
            }
            else if (!first.IsSet)
            {
                first.Signal();
            }

            return FuseLendResult.Done;
        };
        _fixture.SendInitAndWrites(7, 8, 9);
        using FuseSession session = _fixture.StartedSession();
        Assert.True(first.Wait(SessionFixture.Deadline));
        Assert.All(Enumerable.Range(0, 4), _ => Assert.Equal(Errno.None, _fixture.Answer().Error));

        _fixture.Send(SessionFixture.Write(10, 10));
        _fixture.Send(SessionFixture.Write(11, 11));
        Assert.Equal(11UL, _fixture.Answer().Unique);
        await session.BeatAsync().WaitAsync(SessionFixture.Deadline); // the other thread is about to wait for a request
        _fixture.Gate.LetGo();

        Assert.True(last.Wait(SessionFixture.Deadline), "No thread was lent for the write.");
    }

    /// <summary>
    /// The thread that reads is lent for the files that are left. So a thread that takes long with one file holds up no
    /// other file.
    /// </summary>
    [Fact]
    public void While_one_thread_is_lent_for_the_first_of_several_writes_the_other_is_lent_for_the_rest()
    {
        using var others = new CountdownEvent(2);
        _fixture.FileSystem.OnLend = open =>
        {
            if (open.Value == 7)
            {
                _fixture.Gate.Hold();
            }
            else
            {
                others.Signal();
            }

            return FuseLendResult.Done;
        };
        _fixture.SendInitAndWrites(7, 8, 9);
        using FuseSession session = _fixture.StartedSession();

        Assert.True(others.Wait(SessionFixture.Deadline));
        _fixture.Gate.LetGo();
    }

    /// <summary>
    /// The reading thread keeps notifications back until it was lent for all writes. A write that takes long must
    /// not keep them back from other clients.
    /// </summary>
    [Fact]
    public void A_client_that_polls_is_woken_though_a_thread_is_lent_for_long_for_the_next_write()
    {
        _fixture.FileSystem.OnLend = open =>
        {
            if (open.Value == 8)
            {
                _fixture.FileSystem.Notifier!.NotifyPoll(new PollId(7));
                _fixture.Gate.Hold();
            }

            return FuseLendResult.Done;
        };
        _fixture.SendInitAndWrites(7, 8);
        using FuseSession session = _fixture.StartedSession();
        _fixture.Gate.AwaitHandler();

        ulong[] answered = [.. Enumerable.Range(0, 4).Select(_ => _fixture.Answer().Unique)];
        Assert.Equal([2UL, 7, 8, 0], answered);
        Assert.False(_fixture.Gate.IsOverdue, "Nobody woke the client until the write was over.");
        _fixture.Gate.LetGo();
    }

    private FuseLendResult HoldThread(OpenId open)
    {
        _fixture.Gate.Hold();
        return FuseLendResult.Done;
    }
}
