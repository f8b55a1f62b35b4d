using System.Diagnostics;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>A session's threads: how they start, serve and stop.</summary>
public sealed class FuseSessionTests : IDisposable
{
    private readonly SessionFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Initialised_completes_once_init_is_answered()
    {
        using FuseSession session = _fixture.StartedSession();
        Assert.False(session.Initialised.IsCompleted);

        _fixture.Send(Captured.Init);

        Assert.Equal(Errno.None, _fixture.Answer().Error);
        await session.Initialised.WaitAsync(SessionFixture.Deadline);
        session.Stop();
        Assert.Equal(FuseSessionEnd.Stopped, await session.Ended.WaitAsync(SessionFixture.Deadline));
    }

    [Fact]
    public async Task A_kernel_that_is_too_old_ends_the_session_as_refused()
    {
        using FuseSession session = _fixture.StartedSession();

        _fixture.Send(
            DispatcherFixture.Request(
                FuseOpcode.Init, 2, DispatcherFixture.Bytes(new FuseInitIn(7, 26, 0, FuseInitFlags.None))));

        Assert.Equal(Errno.EPROTO, _fixture.Answer().Error);
        Assert.Equal(FuseSessionEnd.Refused, await session.Ended.WaitAsync(SessionFixture.Deadline));
        await Assert.ThrowsAsync<TaskCanceledException>(() => session.Initialised.WaitAsync(SessionFixture.Deadline));
    }

    [Fact]
    public async Task A_session_that_was_never_started_stops()
    {
        using FuseSession session = _fixture.Session();

        session.Stop();

        Assert.Equal(FuseSessionEnd.Stopped, await session.Ended.WaitAsync(SessionFixture.Deadline));
        Assert.True(session.Initialised.IsCanceled);
        Assert.Throws<InvalidOperationException>(session.Start);
    }

    [Fact]
    public async Task Stop_answers_the_reads_that_wait_and_tells_the_filesystem_once()
    {
        using FuseSession session = _fixture.ServingSession();
        using var kept = new SemaphoreSlim(0);
        _fixture.FileSystem.OnRead = read =>
        {
            read.Keep(_fixture.FileSystem);
            kept.Release();
        };
        _fixture.Send(DispatcherFixture.Read(10));
        Assert.True(await kept.WaitAsync(SessionFixture.Deadline));

        session.Stop();
        session.Stop();

        Assert.Equal((Errno.ENODEV, 10UL), _fixture.Answer());
        Assert.Single(_fixture.FileSystem.Calls, "stopped");
        Assert.False(_fixture.FileSystem.LastRead.Complete("late"u8));
    }

    [Fact]
    public async Task A_handler_that_never_returns_does_not_keep_stop_waiting_for_ever()
    {
        using FuseSession session = _fixture.ServingSession();
        _fixture.FileSystem.OnRead = _fixture.Gate.HoldRead;
        _fixture.Send(DispatcherFixture.Read(10));
        _fixture.Gate.AwaitHandler();
        var clock = Stopwatch.StartNew();

        session.Stop();

        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(20));
        clock.Restart();
        session.Stop();
        // The second stop does not wait for that handler again.
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Assert.Contains("did not leave its handler", Assert.Single(_fixture.Log.Errors), StringComparison.Ordinal);
        Assert.Equal(Errno.ENODEV, _fixture.Answer().Error);
        Assert.Equal(FuseSessionEnd.Stopped, await session.Ended.WaitAsync(SessionFixture.Deadline));
        _fixture.Gate.LetGo();
    }

    [Fact]
    public void While_one_handler_is_busy_the_other_thread_serves()
    {
        using FuseSession session = _fixture.ServingSession();
        _fixture.FileSystem.OnRead = _fixture.Gate.HoldRead;
        _fixture.Send(DispatcherFixture.Read(10));
        _fixture.Gate.AwaitHandler();

        _fixture.Send(Captured.Flush);

        Assert.Equal(0x174u, _fixture.Answer().Unique);
        _fixture.Gate.LetGo();
        Assert.Equal(10u, _fixture.Answer().Unique);
    }

    [Fact]
    public void A_thread_that_reads_is_interrupted_as_often_as_a_session_is_stopped()
    {
        for (int i = 0; i < 50; i++)
        {
            using FuseSession session = _fixture.StartedSession();
            if (i % 2 == 0)
            {
                _fixture.Initialise();
            }

            var clock = Stopwatch.StartNew();
            session.Stop();
            Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(4));
        }

        Assert.Empty(_fixture.Log.Errors);
    }

    [Theory]
    [InlineData(0, 65536)]
    [InlineData(65, 65536)]
    [InlineData(2, 4095)]
    [InlineData(2, 524289)]
    public void Options_out_of_bounds_are_refused(int threads, int maxWrite)
    {
        Assert.Throws<ArgumentOutOfRangeException>(
            () => _fixture.Session(new FuseSessionOptions { Threads = threads, MaxWrite = maxWrite }));
    }
}
