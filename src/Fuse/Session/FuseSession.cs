using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TpmFs.Fuse.Mount;
using TpmFs.Fuse.Placement;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>
/// Serves a mounted filesystem until it is stopped, or until somebody unmounts it.
/// </summary>
/// <remarks>
/// To stop: <see cref="Stop"/>, then <see cref="FuseMount.Unmount"/>. Stop lets running handlers end, joins the
/// threads, and answers every read that still waits with ENODEV. Requests that come between the two calls wait in the
/// kernel; Unmount closes the device, which ends them with ECONNABORTED. So no client hangs, and nothing is served
/// twice. Unmount alone, as a last resort while handlers hang, ends the session as well; reads that wait then get
/// ECONNABORTED, or ENODEV. To wake the thread that reads the device a session takes SIGURG for itself, in the whole
/// process.
/// </remarks>
public sealed class FuseSession : IDisposable
{
    private const int MinMaxWrite = 4096;
    internal const int MaxMaxWrite = 512 * 1024;
    private const int MaxThreads = 64;

    /// <summary>
    /// The kernel demands room for its largest request: headers, and max_write bytes (or 8 KiB, FUSE_MIN_READ_BUFFER).
    /// </summary>
    private const int RoomForHeaders = 4096;
    private const int NotEnded = -1;

    /// <summary>How long <see cref="Stop"/> waits for handlers that run, in all.</summary>
    private static readonly TimeSpan s_joinTimeout = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long the reading thread carries writes on before it looks for new requests, and tells who polls.
    /// </summary>
    private static readonly TimeSpan s_round = TimeSpan.FromMicroseconds(100);

    private readonly FuseDevice _device;
    private readonly RequestDispatcher _dispatcher;
    private readonly SessionRecords _records;
    private readonly bool _isKept;
    private readonly IFuseLog _log;
    private readonly PlacementChoice _choice;
    private readonly ReaderPlacement? _placement;
    private readonly ReadingTurn _turn;
    private readonly WrittenFiles _written = new();
    private readonly RequestReader _reader;
    private readonly LongWrites _long = new();
    private readonly Heartbeat _heartbeat = new();
    private readonly Thread[] _threads;
    private readonly int _bufferSize;

    private readonly TaskCompletionSource _initialised = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<FuseSessionEnd> _ending =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<FuseSessionEnd> _ended =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Guards <see cref="_started"/> and the threads' start.</summary>
    private readonly Lock _life = new();

    /// <summary>Held by who stops the session; guards <see cref="_isStopped"/>.</summary>
    private readonly Lock _stop = new();
    private bool _isStopped;
    private int _end = NotEnded;
    private int _running;
    private bool _started;
    private volatile bool _isLetGo;

    /// <exception cref="ArgumentOutOfRangeException">An option is outside its bounds.</exception>
    public FuseSession(FuseMount mount, FuseFileSystem fileSystem, FuseSessionOptions options, IFuseLog log)
        : this(mount.Device, fileSystem, options, new Negotiation(options, log), log)
    {
        mount.Unmounting += () => End(FuseSessionEnd.Stopped);
    }

    /// <summary>Serves a connection, whoever made it.</summary>
    internal FuseSession(
        SafeFileHandle connection, FuseFileSystem fileSystem, FuseSessionOptions options, INegotiation negotiation,
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
        _placement = _choice.Placement;
        _turn = new ReadingTurn(_placement);
        _device = new FuseDevice(connection);
        _reader = new RequestReader(_device, _written);
        _records = new SessionRecords(options.Records, options.Connection);
        _isKept = options.IsKept;
        IsTakenOver = _isKept || _records.IsSettled;
        if (IsTakenOver)
        {
            negotiation.Restore(_records.Settled);
        }

        _dispatcher = new RequestDispatcher(fileSystem, negotiation, _records, _device, log);
        _bufferSize = negotiation.MaxWrite + RoomForHeaders;
        _threads = new Thread[options.Threads];
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(slot => Serve((RequestSlot)slot!)) { IsBackground = true, Name = $"fuse {i}" };
        }
    }

    /// <summary>Completes after INIT was answered; cancelled if it never will be.</summary>
    public Task Initialised => _initialised.Task;

    /// <summary>Completes with the first sign that the session ends, and why it does; handlers may run on.</summary>
    public Task<FuseSessionEnd> Ending => _ending.Task;

    /// <summary>Completes when the session has ended and its threads have left the filesystem.</summary>
    public Task<FuseSessionEnd> Ended => _ended.Task;

    /// <summary>How the thread that reads is scheduled at this moment, and why: for people.</summary>
    public string Scheduling => _choice.Describe();

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
                TakenOver = _dispatcher.Resume(asksAgain: _isKept && !_records.AreLeft, _written.Add);
                NoticeNegotiation();
            }

            RequestSlot[] slots = _records.SlotsFor(_threads.Length, _bufferSize);
            _running = _threads.Length;
            for (int i = 0; i < _threads.Length; i++)
            {
                _threads[i].Start(slots[i]);
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
    /// Reads no further request, lets running handlers end, and joins the threads, for 5 s at most. Answers nothing,
    /// and does not tell the filesystem: another process goes on from <see cref="FuseSessionOptions.Records"/>.
    /// </summary>
    public void LetGo()
    {
        _isLetGo = true;
        Stop();
    }

    /// <summary>
    /// Completes when a thread that serves requests has come round to the next one, which while any of them is free is
    /// at once; does not while all of them are in handlers. Cancelled when the session ends. To be asked once at a
    /// time.
    /// </summary>
    public Task BeatAsync() => _heartbeat.AskUntilAsync(_ending.Task, _turn.InterruptReader);

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

        long deadline = Environment.TickCount64 + (long)s_joinTimeout.TotalMilliseconds;
        foreach (Thread thread in _threads)
        {
            if (!thread.Join(TimeSpan.FromMilliseconds(Math.Max(0, deadline - Environment.TickCount64))))
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
        while (_turn.Await())
        {
            ServeWhileHolder(slot);
        }

        if (Interlocked.Decrement(ref _running) == 0)
        {
            Finish();
        }
    }

    /// <summary>Reads and serves requests, until the turn is another thread's or the session has ended.</summary>
    private void ServeWhileHolder(RequestSlot slot)
    {
        _dispatcher.SendNotifications(); // of a holder that was overtaken
        while (TryTakeRequest(slot, out int count))
        {
            bool isHolder = count > 0 ? ServeOne(slot, count) : LendNext();
            if (!isHolder)
            {
                return;
            }
        }

        _turn.Leave();
    }

    /// <summary>
    /// False when the turn is another thread's afterwards. Apart from the loop, which is compiled once and for all
    /// while it runs.
    /// </summary>
    private bool ServeOne(RequestSlot slot, int count)
    {
        long step = _turn.Serve();
        _placement?.Note(Caller(slot.Buffer[..count]));
        WrittenFile? written = _dispatcher.Dispatch(slot, count);
        slot.Clear(count);
        NoticeNegotiation();
        return written is { } file ? AfterWrite(file, step) : _turn.TryKeep(step);
    }

    /// <summary>
    /// Carries a write on at once where its file is the only one that is written to, and otherwise after all requests
    /// that are there, so that the filesystem knows of all that wait.
    /// </summary>
    /// <returns>False when the turn is another thread's afterwards.</returns>
    private bool AfterWrite(WrittenFile file, long step)
    {
        if (!_written.IsSameAgain(file) && !_written.AreSeveral && _device.HasRequest())
        {
            _written.NoteSeveral();
        }

        if (!_written.AreSeveral)
        {
            return Lend(file, step);
        }

        _written.Add(file);
        return _turn.TryKeep(step);
    }

    /// <summary>
    /// Carries writes on for a moment, and then wakes those who poll, all at once. Where a write takes long, a thread
    /// that takes the turn over wakes them.
    /// </summary>
    /// <returns>False when the turn is another thread's afterwards.</returns>
    private bool LendNext()
    {
        long start = Stopwatch.GetTimestamp();
        bool isHolder;
        _dispatcher.HoldNotifications();
        do
        {
            isHolder = Lend(_written.Take(), _turn.Serve());
        }
        while (isHolder && !_written.IsEmpty && Stopwatch.GetElapsedTime(start) < s_round);

        _dispatcher.SendNotifications();
        return isHolder;
    }

    /// <summary>
    /// Lends this thread for what a write began, which may take long. The turn is passed on before where the last ones
    /// did.
    /// </summary>
    /// <returns>False when the turn is another thread's afterwards.</returns>
    private bool Lend(WrittenFile file, long step)
    {
        bool isPassed = _long.AreExpected;
        if (isPassed)
        {
            _turn.Pass(step);
        }

        long start = Stopwatch.GetTimestamp();
        WriteProgress progress = _dispatcher.Lend(file);
        if (progress != WriteProgress.Nothing)
        {
            _long.Note(Stopwatch.GetElapsedTime(start));
        }

        bool isHolder = !isPassed && _turn.TryKeep(step);
        if (isHolder && progress == WriteProgress.Again)
        {
            _written.Add(file);
        }

        while (!isHolder && progress == WriteProgress.Again)
        {
            progress = _dispatcher.Lend(file);
        }

        return isHolder;
    }

    /// <summary>
    /// Waits for a request. False when the session has ended. No request, of no bytes, when there is none now and a
    /// write is to be carried on.
    /// </summary>
    private bool TryTakeRequest(RequestSlot slot, out int count)
    {
        count = 0;
        while (!HasEnded)
        {
            Errno error = _reader.Read(slot, out count);
            _heartbeat.Pass();
            if (!error.IsError)
            {
                return true;
            }

            // ENOENT: the request was interrupted before it was read. EINTR: perhaps the session has ended.
            if (error != Errno.ENOENT && error != Errno.EINTR)
            {
                if (error != Errno.ENODEV && error != Errno.ECONNABORTED)
                {
                    _log.Error($"Reading the FUSE device failed with errno {error.Value}; the session ends.", null);
                }

                End(FuseSessionEnd.Unmounted);
            }
        }

        return false;
    }

    private static uint Caller(ReadOnlySpan<byte> request) =>
        MemoryMarshal.TryRead(request, out FuseInHeader header) ? header.Pid : 0;

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
    /// Says why the session ends, unless that is said, and wakes every thread: who waits for its turn, and who reads.
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
    }

    private void Finish()
    {
        if (!_isLetGo)
        {
            _dispatcher.Close(Errno.ENODEV);
        }

        _initialised.TrySetCanceled();
        _ended.TrySetResult((FuseSessionEnd)_end);
        _heartbeat.Cancel();
    }
}
