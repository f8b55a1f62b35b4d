using Serilog;

namespace TpmFs.Doors.Device;

/// <summary>
/// Works on devices, one at a time. To make or remove a device the kernel changes /dev, and waits for every process
/// that lists /dev. So no other thread waits for this one, except for a short while the threads that start and stop the
/// daemon.
/// </summary>
/// <remarks>The lock guards all fields, and is held for a few instructions.</remarks>
internal sealed class DeviceThread : IDeviceThread
{
    private readonly ILogger _log;
    private readonly Thread _thread;
    private readonly object _gate = new();
    private readonly Queue<Action> _work = [];
    private bool _isStarted; // the starter's
    private bool _isIdle;
    private Action? _last;

    /// <param name="log">Takes the messages for people.</param>
    public DeviceThread(ILogger log)
    {
        _log = log;
        _thread = new Thread(first => Run((Action[])first!)) { IsBackground = true, Name = "devices" };
    }

    public void Add(Action work)
    {
        lock (_gate)
        {
            _work.Enqueue(work);
            Monitor.PulseAll(_gate);
        }
    }

    public void Start(params Action[] first)
    {
        if (!_isStarted)
        {
            _isStarted = true;
            _thread.Start(first);
        }
    }

    public bool AwaitIdle(TimeSpan limit)
    {
        long deadline = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        lock (_gate)
        {
            while (!(_isIdle && _work.Count == 0) && Environment.TickCount64 < deadline)
            {
                Monitor.Wait(_gate, (int)Math.Max(1, deadline - Environment.TickCount64));
            }

            return _isIdle && _work.Count == 0;
        }
    }

    public bool Stop(Action last, TimeSpan limit)
    {
        lock (_gate)
        {
            _last ??= last;
            Monitor.PulseAll(_gate);
        }

        return !_thread.IsAlive || _thread.Join(limit);
    }

    private void Run(Action[] first)
    {
        Array.ForEach(first, Do);
        bool isLast;
        do
        {
            Do(Next(out isLast));
        }
        while (!isLast);
    }

    private void Do(Action work)
    {
        try
        {
            work();
        }
        catch (Exception e)
        {
            _log.Error(
                e, "a device cannot be made or removed: this is a fault of tpmfs, which goes on without it");
        }
    }

    private Action Next(out bool isLast)
    {
        lock (_gate)
        {
            while (_last is null && _work.Count == 0)
            {
                _isIdle = true;
                Monitor.PulseAll(_gate);
                Monitor.Wait(_gate);
            }

            _isIdle = false;
            isLast = _last is not null;
            return _last ?? _work.Dequeue();
        }
    }
}

/// <summary>Takes work on devices, and does it one piece at a time.</summary>
internal interface IDeviceThread
{
    /// <summary>Adds work; it is done in the order of these calls, once the thread is started. Any thread.</summary>
    void Add(Action work);

    /// <summary>
    /// Starts the thread, which does <paramref name="first"/> before what was added. Idempotent; one thread at a time.
    /// </summary>
    void Start(params Action[] first);

    /// <summary>Waits until all work is done, or the time is up.</summary>
    /// <returns>False when the time was up.</returns>
    bool AwaitIdle(TimeSpan limit);

    /// <summary>
    /// Makes the thread do one last piece of work after its present one, and waits for it. Of several last pieces the
    /// first is done. Does nothing when the thread was not started.
    /// </summary>
    /// <returns>False when the time was up.</returns>
    bool Stop(Action last, TimeSpan limit);
}
