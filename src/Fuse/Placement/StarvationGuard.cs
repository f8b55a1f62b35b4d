namespace TpmFs.Fuse.Placement;

/// <summary>
/// Tells whether the placed thread waits for a CPU that others keep from it. After each time that it starved in class
/// SCHED_IDLE it stays out of it for a while, which doubles as long as it starves again soon.
/// </summary>
/// <remarks>
/// The thread also waits while its own clients run on its CPU, but shortly. So a part of each wait is not counted.
/// </remarks>
internal sealed class StarvationGuard(TimeProvider time)
{
    private static readonly TimeSpan s_behindClient = TimeSpan.FromMicroseconds(300);
    private static readonly TimeSpan s_longWait = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(8);

    /// <summary>After so long without starvation, the next pause is the first one again.</summary>
    private static readonly TimeSpan s_forgetAfter = TimeSpan.FromSeconds(10);

    private CpuWaits _waits;
    private long _looked;
    private long _starved;
    private long _starvations;
    private TimeSpan _pause;

    /// <summary>How often a placed thread starved. Any thread.</summary>
    public long Starvations => Volatile.Read(ref _starvations);

    /// <summary>True while no thread is to enter the class SCHED_IDLE, because the last one starved in it.</summary>
    public bool IsPausing => _pause > TimeSpan.Zero && time.GetElapsedTime(_starved) < _pause;

    /// <summary>True for a wait that is longer than those behind clients.</summary>
    public static bool IsLong(TimeSpan wait) => wait > s_longWait;

    /// <summary>Sets from when on waits are counted.</summary>
    public void Begin(CpuWaits waits)
    {
        _waits = waits;
        _looked = time.GetTimestamp();
    }

    /// <summary>Compares what the placed thread has waited with the last look, or the beginning.</summary>
    /// <returns>True when it waits for others than its clients.</returns>
    public bool IsWaiting(CpuWaits waits)
    {
        TimeSpan elapsed = time.GetElapsedTime(_looked);
        TimeSpan delay = waits.Delay - _waits.Delay - ((waits.Slices - _waits.Slices) * s_behindClient);
        Begin(waits);
        return IsLong(delay) && delay > elapsed / 10;
    }

    /// <summary>The placed thread starved. A pause begins.</summary>
    public void Starved()
    {
        bool isAgain = _pause > TimeSpan.Zero && time.GetElapsedTime(_starved) < _pause + s_forgetAfter;
        _pause = !isAgain ? s_firstPause : _pause * 2 < s_longestPause ? _pause * 2 : s_longestPause;
        _starvations++;
        _starved = time.GetTimestamp();
    }
}
