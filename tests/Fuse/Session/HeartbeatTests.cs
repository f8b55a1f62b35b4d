using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>Signs of life, for which the daemon asks a session: a session that hangs gives none.</summary>
public sealed class HeartbeatTests : IDisposable
{
    private readonly SessionFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task A_session_that_serves_gives_signs_of_life_with_requests_and_without()
    {
        using FuseSession session = _fixture.StartedSession();
        await session.BeatAsync().WaitAsync(SessionFixture.Deadline);
        _fixture.Initialise();

        for (int i = 0; i < 100; i++)
        {
            await session.BeatAsync().WaitAsync(SessionFixture.Deadline);
            _fixture.Send(Captured.Flush);
            Task beat = session.BeatAsync();
            Assert.Equal(0x174u, _fixture.Answer().Unique);
            await beat.WaitAsync(SessionFixture.Deadline);
        }
    }

    [Fact]
    public async Task A_session_gives_no_sign_of_life_while_all_of_its_threads_are_in_handlers()
    {
        using FuseSession session = _fixture.ServingSession(new FuseSessionOptions { Threads = 2 });
        _fixture.FileSystem.OnRead = _fixture.Gate.HoldRead;
        HoldHandlerOf(DispatcherFixture.Read(10));
        await session.BeatAsync().WaitAsync(SessionFixture.Deadline);

        HoldHandlerOf(DispatcherFixture.Read(11));
        Task beat = session.BeatAsync();
        Assert.NotSame(beat, await Task.WhenAny(beat, Task.Delay(TimeSpan.FromMilliseconds(200))));

        _fixture.Gate.LetGo(2);
        await beat.WaitAsync(SessionFixture.Deadline);
    }

    [Fact]
    public async Task A_session_that_has_ended_gives_no_sign_of_life()
    {
        using FuseSession session = _fixture.ServingSession(new FuseSessionOptions { Threads = 1 });
        _fixture.FileSystem.OnRead = _fixture.Gate.HoldRead;
        HoldHandlerOf(DispatcherFixture.Read(10));
        Task before = session.BeatAsync();

        var stopped = Task.Run(session.Stop);
        _fixture.Gate.LetGo();
        await stopped.WaitAsync(SessionFixture.Deadline);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => session.BeatAsync());
        await Task.WhenAny(before).WaitAsync(SessionFixture.Deadline);
        Assert.False(before.IsFaulted);
    }

    /// <summary>Sends a request, and waits until its handler is held.</summary>
    private void HoldHandlerOf(byte[] request)
    {
        _fixture.Send(request);
        _fixture.Gate.AwaitHandler();
    }
}
