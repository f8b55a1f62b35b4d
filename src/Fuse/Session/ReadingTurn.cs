using System.Diagnostics;
using TpmFs.Fuse.Placement;

namespace TpmFs.Fuse.Session;

/// <summary>
/// Decides which thread reads the device. One thread at a time, the holder of the turn, reads a request, serves it and
/// reads on, so that a request wakes no thread but the one that serves it. Another thread takes the turn when the
/// holder passes it on, or when the holder has been at one request for too long.
/// </summary>
/// <remarks>
/// <see cref="_step"/> grows: it is even while the holder reads and odd while it serves. The thread that takes it from
/// an odd number to the next has the turn from then on: the holder keeps the turn that way, and another thread takes it
/// over that way. So there is one holder, and it needs no lock. The gate guards all other fields.
/// </remarks>
/// <param name="placement">Places the reader; null where it runs as the scheduler likes.</param>
internal sealed class ReadingTurn(ReaderPlacement? placement = null)
{
    /// <summary>
    /// The time between two looks of the waiting thread at the holder. A holder that makes no progress is overtaken
    /// after one to two of these.
    /// </summary>
    private static readonly TimeSpan s_lookInterval = TimeSpan.FromMilliseconds(5);

    /// <summary>
    /// The number of looks without a request after which the waiting thread looks no more, until it is called at the
    /// next request.
    /// </summary>
    private const int IdleLooks = 2;

    private readonly object _gate = new();
    private long _step;
    private volatile bool _mustCall;
    private bool _isFree = true;
    private nint _holder;
    private int _holderThread;
    private bool _isWatched;
    private bool _hasEnded;

    /// <summary>True while the waiting thread sleeps: the holder must call it at the next request.</summary>
    public bool MustCall => _mustCall;

    /// <summary>Waits until it is the caller's turn. Returns false when there are no turns any more.</summary>
    public bool Await()
    {
        lock (_gate)
        {
            while (_isWatched && !_hasEnded)
            {
                Monitor.Wait(_gate);
            }

            _isWatched = true;
            bool isMine = Watch();
            _isWatched = false;
            if (isMine)
            {
                (_holder, _holderThread) = (ThreadInterrupt.CurrentThread, ThreadCalls.CurrentThread);
            }

            Monitor.PulseAll(_gate);
            return isMine;
        }
    }

    /// <summary>Records that the holder begins to serve a request.</summary>
    /// <returns>The step, for <see cref="TryKeep"/> or <see cref="Pass"/>.</returns>
    public long Serve()
    {
        long step = Interlocked.Increment(ref _step);
        if (_mustCall)
        {
            Call();
        }

        return step;
    }

    /// <summary>Records that the request is served. Returns false when the turn was taken over meanwhile.</summary>
    public bool TryKeep(long step) => Interlocked.CompareExchange(ref _step, step + 1, step) == step;

    /// <summary>
    /// Gives the turn to the thread that waits for it, while a request is still being served. Does nothing when the
    /// turn was taken over meanwhile.
    /// </summary>
    public void Pass(long step)
    {
        placement?.LeaveIdleClass();
        lock (_gate)
        {
            if (TryKeep(step))
            {
                Free();
            }
        }
    }

    /// <summary>Gives the turn back: the holder was to read, and found that the session has ended.</summary>
    public void Leave()
    {
        lock (_gate)
        {
            Free();
        }
    }

    /// <summary>
    /// Ends all turns: threads that wait for one are let go, and the thread that reads is interrupted until it leaves.
    /// The caller has made sure that a holder which comes to read from now on leaves. Returns false when one did not
    /// leave within <paramref name="patience"/>.
    /// </summary>
    public bool End(TimeSpan patience)
    {
        lock (_gate)
        {
            _hasEnded = true;
            placement?.Release();
            Monitor.PulseAll(_gate);
            long start = Stopwatch.GetTimestamp();

            // Again and again: a signal that comes just before the holder reads does nothing.
            while (IsReading && _holder != ThreadInterrupt.CurrentThread)
            {
                if (Stopwatch.GetElapsedTime(start) > patience)
                {
                    return false;
                }

                ThreadInterrupt.Send(_holder);
                Monitor.Wait(_gate, s_lookInterval);
            }
        }

        return true;
    }

    /// <summary>Interrupts the holder's wait for a request, if it waits; the holder then reads on.</summary>
    public void InterruptReader()
    {
        lock (_gate)
        {
            if (IsReading)
            {
                ThreadInterrupt.Send(_holder);
            }
        }
    }

    /// <summary>True while the holder reads, or is about to. Under the gate.</summary>
    private bool IsReading => !_isFree && (Volatile.Read(ref _step) & 1) == 0;

    private void Free()
    {
        _isFree = true;
        _holder = 0;
        Monitor.PulseAll(_gate);
    }

    /// <summary>
    /// Waits for the turn, and looks at the holder meanwhile. One thread at a time. Under the gate, which it leaves
    /// while it waits.
    /// </summary>
    private bool Watch()
    {
        long seen = 0;
        for (int idle = 0; !_hasEnded;)
        {
            if (_isFree)
            {
                placement?.Release();
                _isFree = false;
                return true;
            }

            long step = Volatile.Read(ref _step);
            bool isServing = (step & 1) != 0;
            if (isServing && step == seen && TryKeep(step))
            {
                placement?.Overtake();
                return true;
            }

            idle = step == seen ? idle + 1 : 0;
            if (idle < IdleLooks)
            {
                placement?.Look(_holderThread, seen == 0 ? 0 : (step - seen) / 2);
                seen = step;
                Monitor.Wait(_gate, s_lookInterval);
            }
            else
            {
                placement?.Rest();
                seen = step;
                SleepUntilCalled(step);
                idle = 0;
            }
        }

        placement?.Release();

        return false;
    }

    private void SleepUntilCalled(long step)
    {
        _mustCall = true;

        // The holder takes its step and then reads _mustCall. This thread sets _mustCall and then reads the step. So
        // one of the two sees what the other wrote.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _step) == step && !_isFree && !_hasEnded)
        {
            Monitor.Wait(_gate);
        }

        _mustCall = false;
    }

    private void Call()
    {
        lock (_gate)
        {
            if (_mustCall)
            {
                _mustCall = false;
                Monitor.PulseAll(_gate);
            }
        }
    }
}
