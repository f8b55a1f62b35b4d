using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Placement;

/// <summary>
/// Places the thread that reads requests on the CPU of the client, and TPMs' processes with it, so that a request and
/// its answer pass on one CPU. All of them are in class SCHED_IDLE: the kernel counts a CPU that runs nothing else as
/// idle, so the client stays there when it wakes up.
/// </summary>
/// <remarks>
/// Every decision is made by the thread that watches the reader (<see cref="ReadingTurn"/>), which is never placed: a
/// thread that starves cannot help itself. The watching thread holds the turn's gate, except where a member says that
/// any thread may call it. The reader only says where it saw the client.
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

    /// <summary>While the reader is placed, it looks where the client is at one of so many writes: 12 µs.</summary>
    private const int WritesBetweenSightings = 32;

    /// <summary>After as many looks the daemon's other threads are looked at.</summary>
    private const int LooksBetweenSweeps = 20;

    private readonly IThreadControl _threads;
    private readonly Bystanders _bystanders;
    private readonly bool _mayIdle;
    private readonly StarvationGuard _guard;
    private readonly ClientSightings _clients = new();
    private readonly CpuSet _allowed = new();
    private readonly CpuSet _one = new();

    /// <summary>
    /// The client's thread (upper half) and its CPU plus one, as last seen; 0 where it was not seen since the last
    /// look.
    /// </summary>
    private long _sighting;
    private volatile bool _isSightingWanted = true;
    private int _writes;
    private volatile int _reader;
    private volatile bool _isIdle;
    private int _cpu;
    private long _moves;
    private int _calm;
    private int _looks;

    /// <summary>The thread whose waits are counted; 0 where the next look begins to count them.</summary>
    private int _watched;

    /// <param name="threads">The system calls.</param>
    /// <param name="companions">What is moved with the reader.</param>
    /// <param name="mayIdle">True when a thread may enter class SCHED_IDLE, and leave it again.</param>
    /// <param name="time">The clock.</param>
    public ReaderPlacement(IThreadControl threads, CompanionPlacement companions, bool mayIdle, TimeProvider time)
    {
        _threads = threads;
        Companions = companions;
        _bystanders = new Bystanders(threads);
        _mayIdle = mayIdle;
        _guard = new StarvationGuard(time);
    }

    /// <summary>Gets what places the processes of TPMs.</summary>
    public CompanionPlacement Companions { get; }

    /// <summary>The CPU on which the reader is placed; null while it may run on any. Any thread.</summary>
    public int? Cpu => _reader == 0 ? null : Volatile.Read(ref _cpu);

    /// <summary>How often the reader was placed or moved. Any thread.</summary>
    public long Moves => Volatile.Read(ref _moves);

    /// <summary>How often it starved, and was let go. Any thread.</summary>
    public long Starvations => _guard.Starvations;

    /// <summary>
    /// Notes whose write was read, and where that client is now and then. The reading thread, at each write, before it
    /// answers: the client waits meanwhile, so it cannot end, as <see cref="IThreadControl.LastCpuOf"/> demands.
    /// </summary>
    public void NoteWrite(uint client)
    {
        bool isDue = _isSightingWanted || (_reader != 0 && ++_writes % WritesBetweenSightings == 0);
        if (!isDue)
        {
            return;
        }

        _isSightingWanted = false;
        if (_threads.LastCpuOf(client) is { } cpu)
        {
            Volatile.Write(ref _sighting, ((long)client << 32) | (uint)(cpu + 1));
        }
    }

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

        if (_watched == reader)
        {
            NoteWaits(waits + Companions.Waits);
        }
        else
        {
            _watched = reader;
            _guard.Begin(waits);
        }

        bool isWanted = _reader != 0 ? requests > 0
            : requests >= Busy && _calm >= CalmLooks && !_guard.IsPausing;
        if (isWanted)
        {
            FollowClient(reader, waits);
        }

        if (_reader != 0 && Companions.Look(_clients.AreOfOne))
        {
            _ = Companions.Move(_allowed, _cpu, _isIdle);
            _guard.Begin(waits + Companions.Waits);
        }

        if (_reader != 0 && ++_looks % LooksBetweenSweeps == 0)
        {
            _bystanders.FreeStarted(_allowed);
        }
    }

    /// <summary>
    /// No requests come: lets the placed thread go. One that starves reads nothing either, but it is ready to run.
    /// </summary>
    public void Rest()
    {
        if (_reader != 0 && _threads.IsReady(_reader))
        {
            _guard.Starved();
        }

        Release();
        _watched = 0; // the next look is as late as the next request
        Volatile.Write(ref _sighting, 0);
        _isSightingWanted = true;
    }

    /// <summary>Lets the placed thread run where and as it would without this. Idempotent.</summary>
    public void Release()
    {
        if (_reader == 0)
        {
            return;
        }

        SetIdle(false);
        _threads.Disclaim(_reader);
        if (_threads.TryGetAllowed(_allowed))
        {
            _ = _threads.TrySetAffinity(_reader, _allowed);
            Companions.Free(_allowed);
            _bystanders.Release(_allowed);
            _bystanders.FreeStarted(_allowed);
        }

        _reader = 0;
        _watched = 0;
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

    /// <summary>Lets a placed reader go that waits for others, or whose TPM does.</summary>
    private void NoteWaits(CpuWaits waits)
    {
        bool isWaiting = _guard.IsWaiting(waits, arePlaced: _reader != 0);
        _calm = isWaiting ? 0 : _calm + 1;
        if (_reader != 0 && isWaiting)
        {
            _guard.Starved();
            Release();
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
    private void FollowClient(int reader, CpuWaits waits)
    {
        if (!_threads.TryGetAllowed(_allowed) || _allowed.Count < 2)
        {
            Release();
            return;
        }

        long sighting = Interlocked.Exchange(ref _sighting, 0);
        _isSightingWanted = true;
        if (sighting == 0)
        {
            return;
        }

        (uint client, int cpu) = ((uint)(sighting >> 32), (int)(uint)sighting - 1);
        _clients.Add(client, cpu);
        if (!_allowed.Contains(cpu))
        {
            Release();
        }
        else if (_reader == 0 || (cpu != _cpu && !_clients.AreSpread))
        {
            Place(reader, cpu, waits);
        }
        else if (Companions.Move(_allowed, _cpu, _isIdle))
        {
            _guard.Begin(waits + Companions.Waits);
        }
    }

    /// <summary>
    /// The reader goes last. While another thread of the usual class ran on the CPU to which it goes, the client would
    /// leave that CPU for the one that the reader has just left.
    /// </summary>
    private void Place(int reader, int cpu, CpuWaits waits)
    {
        _one.Clear();
        _one.Add(cpu);
        _reader = reader;
        _threads.Claim(reader);
        _bystanders.KeepAway(_allowed, cpu);
        SetIdle(_mayIdle);
        _ = Companions.Move(_allowed, cpu, _isIdle);
        if (!_threads.TrySetAffinity(reader, _one))
        {
            Release();
            return;
        }

        _moves++;
        Volatile.Write(ref _cpu, cpu);
        _guard.Begin(waits + Companions.Waits);
    }
}
