using System.Diagnostics;

namespace TpmFs.Clients;

/// <summary>
/// Tells when waking the clients that poll one file takes too much of the daemon's time. The kernel wakes all
/// registrations of the file within the call by which the daemon notifies it, or sends to it; with epoll(7) one client
/// can register a file millions of times. Any thread; two threads at once may miscount.
/// </summary>
internal struct WakeupCost
{
    /// <summary>The duration below which a wake-up is cheap: that of some 10,000 registrations.</summary>
    private static readonly TimeSpan s_cheap = TimeSpan.FromMilliseconds(1);

    /// <summary>
    /// The time that several wake-ups of one file, one after the other and none of them cheap, may take together.
    /// </summary>
    private static readonly TimeSpan s_most = TimeSpan.FromMilliseconds(10);

    private TimeSpan _spent;
    private bool _isSuspect;

    /// <summary>Notes when a call begins that may wake clients.</summary>
    public readonly WakingCall Begin() =>
        // The CPU's time costs a system call. It is asked for only after a wake-up that took long by the clock, since
        // that may have been another thread's turn on the CPU.
        new(Stopwatch.GetTimestamp(), _isSuspect ? ThreadClock.CpuTime : null);

    /// <summary>Counts a call that woke the clients which poll, on the thread that began it.</summary>
    /// <returns>True when the wake-ups have taken too much of the thread's time, now and before.</returns>
    public bool End(in WakingCall call)
    {
        bool isCheap = Stopwatch.GetElapsedTime(call.Start) < s_cheap;
        TimeSpan taken = !isCheap && call.CpuTime is { } before ? ThreadClock.CpuTime - before : default;
        _spent = taken < s_cheap ? default : _spent + taken;
        _isSuspect = !isCheap;
        return _spent > s_most;
    }
}

/// <summary>The moment when a call began that may wake clients.</summary>
/// <param name="Start">The moment (<see cref="Stopwatch"/>).</param>
/// <param name="CpuTime">The CPU time of the thread; null where it need not be known.</param>
internal readonly record struct WakingCall(long Start, TimeSpan? CpuTime);
