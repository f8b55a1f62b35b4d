using Microsoft.Win32.SafeHandles;
using TpmFs.Fuse.Mount;
using TpmFs.Fuse.Placement;
using TpmFs.Mirror;

namespace TpmFs.Fuse.Session;

/// <summary>Serves a mounted filesystem until it is stopped, or until the filesystem is unmounted.</summary>
/// <remarks>
/// To stop: <see cref="Stop"/>, then <see cref="FuseMount.Unmount"/>. Stop lets running handlers end, joins the
/// threads, and answers every read that still waits with ENODEV. Requests that come between the two calls wait in the
/// kernel; Unmount closes the device, which ends them with ECONNABORTED. So no client hangs, and nothing is served
/// twice. Unmount alone, as a last resort while handlers hang, ends the session as well; reads that wait then get
/// ECONNABORTED, or ENODEV. To wake the thread that reads the device a session takes SIGURG for itself, in the whole
/// process.
/// </remarks>
public sealed class FuseSession : IRequestLoopOwner, IDisposable
{
    internal const int MinMaxWrite = 4096;
    internal const int MaxMaxWrite = 512 * 1024;
    private const int MaxThreads = 64;

    /// <summary>
    /// The kernel demands room for its largest request: headers, and max_write bytes (or 8 KiB, FUSE_MIN_READ_BUFFER).
    /// </summary>
    private const int RoomForHeaders = 4096;
    private const int NotEnded = -1;

    /// <summary>The time for which <see cref="Stop"/> waits for handlers that run, in all.</summary>
    private static readonly TimeSpan s_joinTimeout = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Long enough for handlers on a busy machine. A thread that takes longer waits for something outside the process,
    /// while nobody serves.
    /// </summary>
    private static readonly TimeSpan s_letGoTimeout = TimeSpan.FromSeconds(0.2);

    private readonly FuseDevice _device;
    private readonly RequestDispatcher _dispatcher;
    private readonly SessionRecords _records;
    private readonly bool _isKept;
    private readonly IFuseLog _log;
    private readonly PlacementChoice _choice;
    private readonly ReadingTurn _turn;
    private readonly RequestLoop _loop;
    private readonly CommandThread? _commands;
    private readonly Thread[] _readers;
    private readonly int _bufferSize;

    private readonly TaskCompletionSource _initialised = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<FuseSessionEnd> _ending =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<FuseSessionEnd> _ended =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Guards <see cref="_started"/> and the threads' start.</summary>
    private readonly Lock _life = new();

    /// <summary>Held by the thread that stops the session; guards <see cref="_isStopped"/>.</summary>
    private readonly Lock _stop = new();
    private bool _isStopped;
    private int _end = NotEnded;
    private int _running;
    private bool _started;
    private volatile bool _isLetGo;

    /// <exception cref="ArgumentOutOfRangeException">An option is outside its bounds.</exception>
    public FuseSession(FuseMount mount, FuseFileSystem fileSystem, FuseSessionOptions options, IFuseLog log)
        : this(mount.Device, fileSystem, options, new FuseNegotiation(options, log), log)
    {
        mount.Unmounting += () => End(FuseSessionEnd.Stopped);
    }

    /// <summary>Serves a connection, from whatever source.</summary>
    internal FuseSession(
        SafeFileHandle connection, FuseFileSystem fileSystem, FuseSessionOptions options, Negotiation negotiation,
        IFuseLog log)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Threads, MaxThreads);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxWrite, MinMaxWrite);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.MaxWrite, MaxMaxWrite);
        ThreadInterrupt.Enable();
        _log = log;
        _choice = PlacementChoice.For(
            options.Threads > 1 ? options.Follow : null, new ThreadControl(), TimeProvider.System);
        _turn = new ReadingTurn(_choice.Placement);
        _device = new FuseDevice(connection);
        _records = new SessionRecords(options.Records, options.Connection);
        _isKept = options.IsKept;
        IsTakenOver = _isKept || _records.IsSettled;
        if (IsTakenOver)
        {
            negotiation.Restore(_records.Settled);
        }

        _dispatcher = new RequestDispatcher(fileSystem, negotiation, _records, _device, log);
        if (_choice.Placement is { } placement)
        {
            _commands = new CommandThread(_dispatcher.Lender, this);
            placement.Companions.Commands = _commands;
            _dispatcher.BeforePoll(_commands.BeforePoll);
        }

        _loop = new RequestLoop(_device, _dispatcher, _turn, _choice.Placement, _commands, this);
        _bufferSize = negotiation.MaxWrite + RoomForHeaders;
        _readers = new Thread[options.Threads];
        for (int i = 0; i < _readers.Length; i++)
        {
            _readers[i] = new Thread(slot => Serve((RequestSlot)slot!)) { IsBackground = true, Name = $"fuse {i}" };
        }
    }

    /// <summary>Completes after INIT was answered; cancelled if it never will be.</summary>
    public Task Initialised => _initialised.Task;

    /// <summary>Completes with the first sign that the session ends, and why it does; handlers may run on.</summary>
    public Task<FuseSessionEnd> Ending => _ending.Task;

    /// <summary>Completes when the session has ended and its threads have left the filesystem.</summary>
    public Task<FuseSessionEnd> Ended => _ended.Task;

    /// <summary>Gets, for people, how the thread that reads is scheduled at this moment, and why.</summary>
    public string Scheduling => _choice.Describe();

    bool IRequestLoopOwner.HasEnded => HasEnded;

    private IEnumerable<Thread> Threads => _commands?.Thread is { } commands ? _readers.Append(commands) : _readers;

    private bool HasEnded => Volatile.Read(ref _end) != NotEnded;

    /// <summary>True when the session goes on with one of an earlier process.</summary>
    public bool IsTakenOver { get; }

    /// <summary>Gets the requests of an earlier process that <see cref="Start"/> has served again.</summary>
    public FuseTakenOver TakenOver { get; private set; }

    /// <summary>
    /// Serves again what an earlier process of the connection was at, if there was one, and starts the threads. Called
    /// once.
    /// </summary>
    public void Start()
    {
        RequestTimeouts.Warn(_log);
        lock (_life)
        {
            if (_started || HasEnded)
            {
                throw new InvalidOperationException("The session was started or stopped before.");
            }

            _started = true;
            if (_isKept || _records.AreLeft)
            {
                _device.SetWaiting(true); // the earlier process may have left the descriptor otherwise
                TakenOver = _dispatcher.Resume(asksAgain: _isKept && !_records.AreLeft, _loop.Add);
                NoticeNegotiation();
            }

            RequestSlot[] slots = _records.SlotsFor(_readers.Length, _bufferSize);
            _running = _readers.Length;
            for (int i = 0; i < _readers.Length; i++)
            {
                _readers[i].Start(slots[i]);
            }
        }
    }

    /// <summary>
    /// Ends the session: threads are woken and joined, for 5 s at most, then reads that wait are answered with ENODEV.
    /// Not to be called by a handler. Idempotent: threads are waited for once.
    /// </summary>
    public void Stop()
    {
        End(FuseSessionEnd.Stopped);
        lock (_stop)
        {
            if (!_isStopped)
            {
                _isStopped = true;
                JoinAndFinish();
            }
        }
    }

    /// <summary>
    /// Reads no further request, lets running handlers end, and joins the threads, for 0.2 s at most. Answers nothing,
    /// and does not tell the filesystem: another process goes on from <see cref="FuseSessionOptions.Records"/>, also
    /// with what a thread is at that has not ended by then.
    /// </summary>
    public void LetGo()
    {
        _isLetGo = true;
        Stop();
    }

    /// <summary>
    /// Stops, and removes what the session has written down: no other process is to go on with it. Where a thread is
    /// left behind, the records stay, since the thread may still write to them.
    /// </summary>
    public void Forget()
    {
        Stop();
        if (!Threads.Any(thread => thread.IsAlive))
        {
            _records.Forget();
        }
    }

    /// <summary>
    /// Removes what earlier processes have written down of sessions that nobody goes on with.
    /// </summary>
    /// <param name="records">The place of the records.</param>
    /// <param name="goOn">
    /// Returns true of the sessions that go on, by <see cref="FuseSessionOptions.Connection"/>.
    /// </param>
    /// <returns>The highest number of a session: a new one has to have a higher one.</returns>
    public static uint ForgetOthers(RecordStore records, Func<uint, bool> goOn) =>
        SessionRecords.ForgetOthers(records, goOn);

    /// <summary>
    /// Completes when a thread that serves requests has come round to the next one, which while any of them is free is
    /// at once; does not while all of them are in handlers. Cancelled when the session ends. To be asked once at a
    /// time.
    /// </summary>
    public Task BeatAsync() => _loop.Heartbeat.AskUntilAsync(_ending.Task, _turn.InterruptReader);

    public void Dispose() => Stop();

    private void JoinAndFinish()
    {
        lock (_life)
        {
            if (!_started)
            {
                Finish();
                return;
            }
        }

        TimeSpan limit = _isLetGo ? s_letGoTimeout : s_joinTimeout;
        long deadline = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        foreach (Thread thread in Threads)
        {
            bool hasEnded = thread.Join(TimeSpan.FromMilliseconds(Math.Max(0, deadline - Environment.TickCount64)));
            if (!hasEnded && !_isLetGo)
            {
                _log.Error(
                    $"Thread '{thread.Name}' did not leave its handler within {s_joinTimeout.TotalSeconds} s; it is "
                        + "left behind.", null);
            }
        }

        Finish();
    }

    private void Serve(RequestSlot slot)
    {
        _loop.Run(slot);
        Left();
    }

    private void Left()
    {
        if (Interlocked.Decrement(ref _running) == 0)
        {
            Finish();
        }
    }

    void IRequestLoopOwner.Enters() => Interlocked.Increment(ref _running);

    void IRequestLoopOwner.Left() => Left();

    void IRequestLoopOwner.Served() => NoticeNegotiation();

    void IRequestLoopOwner.Lost(Errno error)
    {
        if (error != Errno.ENODEV && error != Errno.ECONNABORTED)
        {
            _log.Error($"Reading the FUSE device failed with errno {error.Value}; the session ends.", null);
        }

        End(FuseSessionEnd.Unmounted);
    }

    private void NoticeNegotiation()
    {
        if (_dispatcher.State == NegotiationState.Done)
        {
            _initialised.TrySetResult();
        }
        else if (_dispatcher.State == NegotiationState.Refused)
        {
            End(FuseSessionEnd.Refused);
        }
    }

    /// <summary>
    /// Records why the session ends, unless a reason is recorded, and wakes every thread: those that wait for their
    /// turn, and the one that reads.
    /// </summary>
    private void End(FuseSessionEnd end)
    {
        if (Interlocked.CompareExchange(ref _end, (int)end, NotEnded) != NotEnded)
        {
            return;
        }

        _ending.TrySetResult(end);
        if (!_turn.End(s_joinTimeout))
        {
            _log.Error("The thread that reads the FUSE device cannot be interrupted; it is left behind.", null);
        }

        _commands?.End();
    }

    private void Finish()
    {
        if (!_isLetGo)
        {
            _dispatcher.Close(Errno.ENODEV);
        }

        _initialised.TrySetCanceled();
        _ended.TrySetResult((FuseSessionEnd)_end);
    }
}
