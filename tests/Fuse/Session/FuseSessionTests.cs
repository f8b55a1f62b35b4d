using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests;

/// <summary>The session's threads, with a socket that keeps messages apart in the kernel's place.</summary>
public sealed class FuseSessionTests : IDisposable
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);
    private readonly RecordingFileSystem _fileSystem = new();
    private readonly DispatcherFixture _log = new(new RecordingFileSystem());
    private readonly Socket _kernel;
    private readonly Socket _device;

    public FuseSessionTests()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("fuse-tests-").FullName, "socket");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        _kernel = new Socket(
            AddressFamily.Unix, SocketType.Seqpacket,
            ProtocolType.Unspecified)
        { ReceiveTimeout = (int)s_deadline.TotalMilliseconds };
        _kernel.Connect(new UnixDomainSocketEndPoint(path));
        _device = listener.Accept();
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    public void Dispose()
    {
        _kernel.Dispose();
        _device.Dispose();
    }

    [Fact]
    public async Task Initialised_completes_once_init_is_answered()
    {
        using FuseSession session = Session();
        session.Start();
        Assert.False(session.Initialised.IsCompleted);

        _kernel.Send(Captured.Init);

        Assert.Equal(Errno.None, Answer().Error);
        await session.Initialised.WaitAsync(s_deadline);
        session.Stop();
        Assert.Equal(FuseSessionEnd.Stopped, await session.Ended.WaitAsync(s_deadline));
    }

    [Fact]
    public async Task A_kernel_that_is_too_old_ends_the_session_as_refused()
    {
        using FuseSession session = Session();
        session.Start();

        _kernel.Send(
            DispatcherFixture.Request(
                FuseOpcode.Init, 2, DispatcherFixture.Bytes(new FuseInitIn(7, 26, 0, FuseInitFlags.None))));

        Assert.Equal(Errno.EPROTO, Answer().Error);
        Assert.Equal(FuseSessionEnd.Refused, await session.Ended.WaitAsync(s_deadline));
        await Assert.ThrowsAsync<TaskCanceledException>(() => session.Initialised.WaitAsync(s_deadline));
    }

    [Fact]
    public async Task A_session_that_was_never_started_stops()
    {
        using FuseSession session = Session();

        session.Stop();

        Assert.Equal(FuseSessionEnd.Stopped, await session.Ended.WaitAsync(s_deadline));
        Assert.True(session.Initialised.IsCanceled);
        Assert.Throws<InvalidOperationException>(session.Start);
    }

    [Fact]
    public async Task Stop_answers_the_reads_that_wait_and_tells_the_filesystem_once()
    {
        using FuseSession session = Session();
        session.Start();
        Initialise();
        using var kept = new SemaphoreSlim(0);
        _fileSystem.OnRead = read =>
        {
            read.Keep(_fileSystem);
            kept.Release();
        };
        _kernel.Send(DispatcherFixture.Read(10));
        Assert.True(await kept.WaitAsync(s_deadline));

        session.Stop();
        session.Stop();

        (Errno Error, ulong Unique) answer = Answer();
        Assert.Equal(Errno.ENODEV, answer.Error);
        Assert.Equal(10u, answer.Unique);
        Assert.Single(_fileSystem.Calls, "stopped");
        Assert.False(_fileSystem.LastRead.Complete("late"u8));
    }

    [Fact]
    public async Task A_handler_that_never_returns_does_not_keep_stop_waiting_for_ever()
    {
        using FuseSession session = Session();
        session.Start();
        Initialise();
        using var entered = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        _fileSystem.OnRead = read =>
        {
            entered.Set();
            leave.Wait(s_deadline);
            read.Complete("late"u8);
        };
        _kernel.Send(DispatcherFixture.Read(10));
        Assert.True(entered.Wait(s_deadline));
        var clock = Stopwatch.StartNew();

        session.Stop();

        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(20));
        clock.Restart();
        session.Stop();
        // what was waited for is not waited for again
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Assert.Contains("did not leave its handler", Assert.Single(_log.Errors), StringComparison.Ordinal);
        Assert.Equal(Errno.ENODEV, Answer().Error);
        Assert.Equal(FuseSessionEnd.Stopped, await session.Ended.WaitAsync(s_deadline));
        leave.Set();
    }

    [Fact]
    public void While_one_handler_is_busy_the_other_thread_serves()
    {
        using FuseSession session = Session();
        session.Start();
        Initialise();
        using var entered = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        _fileSystem.OnRead = read =>
        {
            entered.Set();
            leave.Wait(s_deadline);
            read.Complete("late"u8);
        };
        _kernel.Send(DispatcherFixture.Read(10));
        Assert.True(entered.Wait(s_deadline));

        _kernel.Send(Captured.Flush);

        Assert.Equal(0x174u, Answer().Unique);
        leave.Set();
        Assert.Equal(10u, Answer().Unique);
    }

    [Fact]
    public void While_a_write_is_gone_on_with_the_other_thread_serves_and_the_next_write_is_not_held_up()
    {
        using FuseSession session = Session();
        session.Start();
        Initialise();
        using var entered = new SemaphoreSlim(0);
        using var leave = new SemaphoreSlim(0);
        _fileSystem.OnLend = () =>
        {
            entered.Release();
            leave.Wait(s_deadline);
        };
        for (uint unique = 10; unique < 20; unique += 2)
        {
            // From the fourth time on the turn is passed on beforehand, since the first three took long.
            _kernel.Send(Write(unique));
            Assert.Equal(unique, Answer().Unique);
            Assert.True(entered.Wait(s_deadline));

            _kernel.Send(Captured.Flush);
            Assert.Equal(0x174u, Answer().Unique);
            leave.Release();
        }
    }

    [Fact]
    public async Task Stop_waits_for_a_write_that_is_gone_on_with()
    {
        using FuseSession session = Session();
        session.Start();
        Initialise();
        using var entered = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        _fileSystem.OnLend = () =>
        {
            entered.Set();
            leave.Wait(s_deadline);
        };
        _kernel.Send(Write(10));
        Assert.Equal(10u, Answer().Unique);
        Assert.True(entered.Wait(s_deadline));

        var stopped = Task.Run(session.Stop);
        Assert.Equal(FuseSessionEnd.Stopped, await session.Ending.WaitAsync(s_deadline));
        Assert.False(session.Ended.IsCompleted);
        leave.Set();

        await stopped.WaitAsync(s_deadline);
        Assert.Empty(_log.Errors);
        Assert.Equal(FuseSessionEnd.Stopped, await session.Ended.WaitAsync(s_deadline));
    }

    [Fact]
    public void A_thread_that_reads_is_interrupted_as_often_as_a_session_is_stopped()
    {
        for (int i = 0; i < 50; i++)
        {
            using FuseSession session = Session();
            session.Start();
            if (i % 2 == 0)
            {
                Initialise();
            }

            var clock = Stopwatch.StartNew();
            session.Stop();
            Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(4));
        }

        Assert.Empty(_log.Errors);
    }

    [Fact]
    public async Task A_session_that_serves_gives_signs_of_life_with_requests_and_without()
    {
        using FuseSession session = Session();
        session.Start();
        await session.BeatAsync().WaitAsync(s_deadline);
        Initialise();

        for (int i = 0; i < 100; i++)
        {
            await session.BeatAsync().WaitAsync(s_deadline);
            _kernel.Send(Captured.Flush);
            Task beat = session.BeatAsync();
            Assert.Equal(0x174u, Answer().Unique);
            await beat.WaitAsync(s_deadline);
        }
    }

    [Fact]
    public async Task A_session_gives_no_sign_of_life_while_all_of_its_threads_are_in_handlers()
    {
        using FuseSession session = Session(new FuseSessionOptions { Threads = 2 });
        session.Start();
        Initialise();
        using var entered = new SemaphoreSlim(0);
        using var leave = new ManualResetEventSlim();
        _fileSystem.OnRead = read =>
        {
            entered.Release();
            leave.Wait(s_deadline);
            read.Complete("late"u8);
        };
        _kernel.Send(DispatcherFixture.Read(10));
        Assert.True(await entered.WaitAsync(s_deadline));
        await session.BeatAsync().WaitAsync(s_deadline);

        _kernel.Send(DispatcherFixture.Read(11));
        Assert.True(await entered.WaitAsync(s_deadline));
        Task beat = session.BeatAsync();
        Assert.NotSame(beat, await Task.WhenAny(beat, Task.Delay(TimeSpan.FromMilliseconds(200))));

        leave.Set();
        await beat.WaitAsync(s_deadline);
    }

    [Fact]
    public async Task A_session_that_has_ended_gives_no_sign_of_life()
    {
        using FuseSession session = Session(new FuseSessionOptions { Threads = 1 });
        session.Start();
        Initialise();
        using var entered = new SemaphoreSlim(0);
        using var leave = new ManualResetEventSlim();
        _fileSystem.OnRead = read =>
        {
            entered.Release();
            leave.Wait(s_deadline);
            read.Complete("late"u8);
        };
        _kernel.Send(DispatcherFixture.Read(10));
        Assert.True(await entered.WaitAsync(s_deadline));
        Task before = session.BeatAsync();

        var stopped = Task.Run(session.Stop);
        leave.Set();
        await stopped.WaitAsync(s_deadline);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => session.BeatAsync());
        await Task.WhenAny(before).WaitAsync(s_deadline);
        Assert.False(before.IsFaulted);
    }

    [Theory]
    [InlineData(0, 65536)]
    [InlineData(65, 65536)]
    [InlineData(2, 4095)]
    [InlineData(2, 524289)]
    public void Options_out_of_bounds_are_refused(int threads, int maxWrite)
    {
        Assert.Throws<ArgumentOutOfRangeException>(
            () => Session(new FuseSessionOptions { Threads = threads, MaxWrite = maxWrite }));
    }

    [Fact]
    public void While_several_files_are_written_to_all_requests_that_are_there_are_taken_first()
    {
        var events = new ConcurrentQueue<string>();
        using var done = new CountdownEvent(4);
        bool isFirst = true;
        _fileSystem.OnWriteProgress = open =>
        {
            // The first file is gone on with twice: others come in between.
            bool isAgain = isFirst;
            isFirst = false;
            int writes = _fileSystem.Calls.Count(call => call.StartsWith("write", StringComparison.Ordinal));
            events.Enqueue($"{open.Value} after {writes}");
            done.Signal();
            return isAgain ? WriteProgress.Again : WriteProgress.Done;
        };
        SendInitAndWrites(7, 8, 9);

        // With another thread, a write that took long would be gone on with at once.
        using FuseSession session = Session(new FuseSessionOptions { Threads = 1 });
        session.Start();

        Assert.True(done.Wait(s_deadline));
        Assert.Equal(["7 after 3", "8 after 3", "9 after 3", "7 after 3"], events);
    }

    /// <summary>
    /// Regression: a thread that lost its turn while it served a write added that write to those that the reading
    /// thread is to go on with. That thread was at its wait for a request already, so nobody went on with the write.
    /// </summary>
    [Fact]
    public async Task A_write_whose_thread_lost_its_turn_is_gone_on_with_though_no_other_request_comes()
    {
        using var leave = new ManualResetEventSlim();
        using var first = new CountdownEvent(3);
        using var last = new ManualResetEventSlim();
        _fileSystem.OnWrite = open =>
        {
            if (open.Value == 10)
            {
                leave.Wait(s_deadline);
            }
        };
        _fileSystem.OnWriteProgress = open =>
        {
            if (open.Value == 10)
            {
                last.Set();
            }
            else if (!first.IsSet)
            {
                first.Signal();
            }

            return WriteProgress.Done;
        };
        SendInitAndWrites(7, 8, 9);
        using FuseSession session = Session();
        session.Start();
        Assert.True(first.Wait(s_deadline));
        Assert.All(Enumerable.Range(0, 4), _ => Assert.Equal(Errno.None, Answer().Error));

        _kernel.Send(Write(10, 10));
        _kernel.Send(Write(11, 11));
        Assert.Equal(11UL, Answer().Unique);
        await session.BeatAsync().WaitAsync(s_deadline); // the other thread is about to wait for a request
        leave.Set();

        Assert.True(last.Wait(s_deadline), "Nobody went on with the write.");
    }

    /// <summary>
    /// The files that are still to be gone on with are those of whoever reads, so a slow one holds up no other.
    /// </summary>
    [Fact]
    public void While_the_first_of_several_writes_is_gone_on_with_the_other_thread_goes_on_with_the_rest()
    {
        using var leave = new ManualResetEventSlim();
        using var others = new CountdownEvent(2);
        _fileSystem.OnWriteProgress = open =>
        {
            if (open.Value == 7)
            {
                leave.Wait(s_deadline);
            }
            else
            {
                others.Signal();
            }

            return WriteProgress.Done;
        };
        SendInitAndWrites(7, 8, 9);
        using FuseSession session = Session();
        session.Start();

        Assert.True(others.Wait(s_deadline));
        leave.Set();
    }

    /// <summary>
    /// The reading thread keeps notifications back until it has gone on with all writes. One that takes long must not
    /// keep them back from others.
    /// </summary>
    [Fact]
    public void A_client_that_polls_is_woken_though_the_next_write_takes_long_to_go_on_with()
    {
        using var leave = new ManualResetEventSlim();
        bool isInTime = true;
        _fileSystem.OnWriteProgress = open =>
        {
            if (open.Value == 8)
            {
                _fileSystem.Notifier!.NotifyPoll(new PollId(7));
                isInTime = leave.Wait(s_deadline);
            }

            return WriteProgress.Done;
        };
        SendInitAndWrites(7, 8);
        using FuseSession session = Session();
        session.Start();

        Assert.Equal([7UL, 8UL, 0UL], [AnswerAfterInit().Unique, Answer().Unique, Answer().Unique]);
        leave.Set();
        session.Stop();
        Assert.True(isInTime, "Nobody woke the client until the write was over.");

        (Errno Error, ulong Unique) AnswerAfterInit()
        {
            _ = Answer();
            return Answer();
        }
    }

    private void SendInitAndWrites(params ReadOnlySpan<ulong> opens)
    {
        _kernel.Send(Captured.Init);
        foreach (ulong open in opens)
        {
            _kernel.Send(Write(open, open));
        }
    }

    private static byte[] Write(ulong unique, ulong open = 7) => DispatcherFixture.Request(
        FuseOpcode.Write, unique,
        [.. DispatcherFixture.Bytes(new FuseWriteIn(open, 0, 4, 0, 0, 0x8002, 0)), 1, 2, 3, 4]);

    private FuseSession Session(FuseSessionOptions? options = null)
    {
        var device = new SafeFileHandle(_device.Handle, ownsHandle: false);
        options ??= new FuseSessionOptions();
        return new FuseSession(device, _fileSystem, options, new FuseNegotiation(options, _log), _log);
    }

    private void Initialise()
    {
        _kernel.Send(Captured.Init);
        Assert.Equal(Errno.None, Answer().Error);
    }

    private (Errno Error, ulong Unique) Answer()
    {
        byte[] buffer = new byte[4096];
        int length = _kernel.Receive(buffer);
        FuseOutHeader header = MemoryMarshal.Read<FuseOutHeader>(buffer.AsSpan(0, length));
        return (new Errno(-header.Error), header.Unique);
    }
}
