using System.Diagnostics;
using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// Tells when waking the clients that poll one file takes too much of the daemon's time. The kernel wakes all
/// registrations of the file within the call by which the daemon notifies it, and meanwhile holds a lock of the whole
/// connection; with epoll(7) one client can register a file millions of times. Any thread; two threads at once may
/// miscount.
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

    /// <summary>Wakes the clients that poll.</summary>
    /// <returns>True when the wake-ups have taken too much of this thread's time, now and before.</returns>
    public bool Notify(in PollWakeups woken, IFuseNotifier notifier)
    {
        if (!woken.Any)
        {
            return false;
        }

        // The CPU's time costs a system call. It is asked for only after a wake-up that took long by the clock, since
        // that may have been another thread's turn on the CPU.
        TimeSpan before = _isSuspect ? ThreadClock.CpuTime : default;
        long start = Stopwatch.GetTimestamp();
        woken.Notify(notifier);
        bool isCheap = Stopwatch.GetElapsedTime(start) < s_cheap;
        TimeSpan taken = _isSuspect && !isCheap ? ThreadClock.CpuTime - before : default;
        _spent = taken < s_cheap ? default : _spent + taken;
        _isSuspect = !isCheap;
        return _spent > s_most;
    }
}
