using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Placement;

/// <summary>
/// Places the thread that reads requests on the CPU of the client, and TPMs' processes with it, so that a request and
/// its answer pass on one CPU. Where nobody else wants that CPU, the thread is in class SCHED_IDLE: the kernel counts a
/// CPU that runs nothing else as idle, so the client stays there when it wakes up.
/// </summary>
/// <remarks>
/// Every decision is made by the thread that watches the reader (<see cref="ReadingTurn"/>), which is never placed: a
/// thread that starves cannot help itself. The watching thread holds the turn's gate, except where a member says that
/// any thread may call it. The reader only leaves the client's number.
/// </remarks>
internal sealed class ReaderPlacement
{
    /// <summary>Requests between two looks from which on it is worth placing the reader.</summary>
    private const int Busy = 8;

    /// <summary>
    /// The reader is placed after as many looks in a row at which it had not waited for others. Where others want its
    /// CPU it would gather clients and TPM there to wait with it.
    /// </summary>
    private const int CalmLooks = 2;

    /// <summary>After as many looks the daemon's other threads are looked at.</summary>
    private const int LooksBetweenSweeps = 20;

    private readonly IThreadControl _threads;
    private readonly Companions _companions;
    private readonly bool _mayIdle;
    private readonly StarvationGuard _guard;
    private readonly ClientSightings _clients = new();
    private readonly CpuSet _allowed = new();
    private readonly CpuSet _one = new();
    private readonly CpuSet _found = new();
    private uint _client;
    private volatile int _reader;
    private volatile bool _isIdle;
    private int _cpu;
    private long _moves;
    private int _calm;
    private int _looks;
    private int _watched;
    private (int Reader, TimeSpan Delay) _atRest;

    /// <param name="threads">The system calls.</param>
    /// <param name="companions">What is moved with the reader.</param>
    /// <param name="mayIdle">True when a thread may enter class SCHED_IDLE, and leave it again.</param>
    /// <param name="time">The clock.</param>
    public ReaderPlacement(IThreadControl threads, Companions companions, bool mayIdle, TimeProvider time)
    {
        _threads = threads;
        _companions = companions;
        _mayIdle = mayIdle;
        _guard = new StarvationGuard(time);
    }

    /// <summary>The CPU on which the reader is placed; null while it may run on any. Any thread.</summary>
    public int? Cpu => _reader == 0 ? null : Volatile.Read(ref _cpu);

    /// <summary>How often the reader was placed or moved. Any thread.</summary>
    public long Moves => Volatile.Read(ref _moves);

    /// <summary>How often it starved, and was let go. Any thread.</summary>
    public long Starvations => _guard.Starvations;

    /// <summary>Notes whose request was read last. The reading thread, at each request.</summary>
    public void Note(uint client) => Volatile.Write(ref _client, client);

    /// <summary>
    /// Looks where the client is, and whether the reader waits for others; places the reader, moves it, or lets it go.
    /// The watching thread, every few milliseconds while requests come.
    /// </summary>
    /// <param name="reader">The thread that reads requests.</param>
    /// <param name="requests">How many were read since the last look.</param>
    public void Look(int reader, long requests)
    {
        if (_reader != 0 && _reader != reader)
        {
            Release();
        }

        if (!_threads.TryGetWaits(reader, out CpuWaits waits))
        {
            Release();
            return;
        }

        if (_watched != reader)
        {
            (_watched, _calm) = (reader, 0);
            _guard.Begin(waits);
            return;
        }

        ChooseClass(waits);

        bool isWanted = _reader != 0 ? requests > 0
            : requests >= Busy && _calm >= CalmLooks && !_guard.IsPausing;
        if (!isWanted)
        {
            return;
        }

        if (!_threads.TryGetAllowed(_allowed) || _allowed.Count < 2)
        {
            Release();
            return;
        }

        // A client that has ended meanwhile says nothing about the next one.
        if (_threads.LastCpuOf(Volatile.Read(ref _client)) is { } cpu)
        {
            _clients.Add(cpu);
            Follow(reader, cpu);
        }

        if (_reader != 0 && ++_looks % LooksBetweenSweeps == 0)
        {
            FreeOthers();
        }
    }

    /// <summary>No requests come: lets the placed thread go.</summary>
    public void Rest()
    {
        if (_reader != 0 && _threads.TryGetWaits(_reader, out CpuWaits waits))
        {
            _atRest = (_reader, waits.Delay);
        }

        Release();
    }

    /// <summary>Lets the placed thread run where and as it would without this. Idempotent.</summary>
    public void Release()
    {
        if (_reader == 0)
        {
            return;
        }

        SetIdle(false);
        if (_threads.TryGetAllowed(_allowed))
        {
            _ = _threads.TrySetAffinity(_reader, _allowed);
            _companions.Free(_allowed);
            FreeOthers();
        }

        _reader = 0;
    }

    /// <summary>The reader was at one request for too long, and is overtaken: it starves, or its TPM is slow.</summary>
    public void Overtake()
    {
        if (_reader != 0)
        {
            _guard.Starved();
            Release();
        }
    }

    /// <summary>
    /// The calling thread is about to take a lock that others wait for: it must not starve while it holds it. Any
    /// thread.
    /// </summary>
    public void LeaveIdleClass()
    {
        if (_isIdle)
        {
            _ = _threads.TrySetClass(0, SchedulingClass.Other);
        }
    }

    /// <summary>
    /// Lets a reader go that waits for others, and puts a placed one that does not into class SCHED_IDLE.
    /// </summary>
    private void ChooseClass(CpuWaits waits)
    {
        bool isWaiting = _guard.IsWaiting(waits);
        _calm = isWaiting ? 0 : _calm + 1;
        if (_reader != 0 && isWaiting)
        {
            _guard.Starved();
            Release();
        }
        else if (_reader != 0 && !_isIdle && _mayIdle)
        {
            SetIdle(true);
            _clients.Clear(); // without the class, a client may have moved about
        }
    }

    private void SetIdle(bool isIdle)
    {
        if (_isIdle != isIdle && _threads.TrySetClass(_reader, isIdle ? SchedulingClass.Idle : SchedulingClass.Other))
        {
            _isIdle = isIdle;
        }
    }

    /// <summary>Places the reader where the client is. Clients on several CPUs are not chased.</summary>
    private void Follow(int reader, int cpu)
    {
        if (!_allowed.Contains(cpu))
        {
            Release();
        }
        else if (_reader == 0 || (cpu != _cpu && _clients.IsSettled && !_clients.AreSpread))
        {
            Place(reader, cpu);
        }
        else
        {
            _companions.Move(_allowed, _one);
        }
    }

    private void Place(int reader, int cpu)
    {
        _one.Clear();
        _one.Add(cpu);
        if (!_threads.TryGetWaits(reader, out CpuWaits waits) || HasStarvedAtRest(reader, waits)
            || !_threads.TrySetAffinity(reader, _one))
        {
            Release();
            return;
        }

        _guard.Begin(waits);
        _moves++;
        Volatile.Write(ref _cpu, cpu);
        _reader = reader;
        _companions.Move(_allowed, _one);
    }

    /// <summary>
    /// A reader that starves reads nothing, which looks as if no requests came. What it has waited is known afterwards.
    /// </summary>
    private bool HasStarvedAtRest(int reader, CpuWaits waits)
    {
        bool hasStarved = _atRest.Reader == reader && StarvationGuard.IsLong(waits.Delay - _atRest.Delay);
        _atRest = default;
        if (hasStarved)
        {
            _guard.Starved();
        }

        return hasStarved;
    }

    /// <summary>
    /// Frees threads that the placed one has started: they began in its class, on its CPU. The runtime starts some
    /// whenever it likes.
    /// </summary>
    private void FreeOthers()
    {
        foreach (int thread in _threads.OwnThreads())
        {
            if (thread == _reader)
            {
                continue;
            }

            if (_threads.ClassOf(thread) == SchedulingClass.Idle)
            {
                _ = _threads.TrySetClass(thread, SchedulingClass.Other);
            }

            if (_threads.TryGetAffinity(thread, _found) && _found.Equals(_one))
            {
                _ = _threads.TrySetAffinity(thread, _allowed);
            }
        }
    }
}
