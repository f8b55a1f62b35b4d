using System.Diagnostics;
using TpmFs.Fuse.Placement;

namespace TpmFs.Fuse.Session;

/// <summary>
/// Whose turn it is to read the device. One thread at a time reads a request, serves it and reads on, so that a request
/// wakes nobody but who serves it. Another one takes the turn when it is passed on, or when the holder has been at one
/// request for too long.
/// </summary>
/// <remarks>
/// <see cref="_step"/> grows: it is even while the holder reads and odd while it serves. Who takes it from an odd
/// number to the next has the turn from then on, be it the holder that keeps it or another thread that takes it over;
/// so there is one holder, and its way costs no lock. The gate guards everything else.
/// </remarks>
/// <param name="placement">Places the reader; null where it runs as the scheduler likes.</param>
internal sealed class ReadingTurn(ReaderPlacement? placement = null)
{
    /// <summary>
    /// How often who waits looks whether the holder gets on; one that does not is overtaken after one to two of these.
    /// </summary>
    private static readonly TimeSpan s_lookInterval = TimeSpan.FromMilliseconds(5);

    /// <summary>
    /// After as many looks without a request who waits looks no more, until it is called at the next request.
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

    /// <summary>Who waits sleeps, until the next request.</summary>
    public bool MustCall => _mustCall;

    /// <summary>Waits until it is the caller's turn. False when there are no turns any more.</summary>
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

    /// <summary>
    /// The holder begins to serve a request. What this returns is for <see cref="TryKeep"/>, or <see cref="Pass"/>.
    /// </summary>
    public long Serve()
    {
        long step = Interlocked.Increment(ref _step);
        if (_mustCall)
        {
            Call();
        }

        return step;
    }

    /// <summary>The request is served. False when the turn was taken over meanwhile.</summary>
    public bool TryKeep(long step) => Interlocked.CompareExchange(ref _step, step + 1, step) == step;

    /// <summary>
    /// Gives the turn to whoever waits for it, while a request is served still. Does nothing when it was taken over
    /// meanwhile.
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

    /// <summary>The holder has found, while it was to read, that the session has ended.</summary>
    public void Leave()
    {
        lock (_gate)
        {
            Free();
        }
    }

    /// <summary>
    /// No more turns: who waits for one is let go, and who reads is interrupted until it leaves. The caller has made
    /// sure that a holder which comes to read from now on leaves. False when one did not leave within
    /// <paramref name="patience"/>.
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

    /// <summary>Who reads stops waiting for a request, and reads on.</summary>
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

    /// <summary>Under the gate.</summary>
    private bool IsReading => !_isFree && (Volatile.Read(ref _step) & 1) == 0;

    private void Free()
    {
        _isFree = true;
        _holder = 0;
        Monitor.PulseAll(_gate);
    }

    /// <summary>One thread at a time. Under the gate, which is left while it waits.</summary>
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

        // The holder takes its step before it looks whether it must call; here it is the other way round. So one of the
        // two sees the other.
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
