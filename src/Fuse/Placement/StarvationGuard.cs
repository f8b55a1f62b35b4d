namespace TpmFs.Fuse.Placement;

/// <summary>
/// Tells whether the placed threads wait for a CPU that others keep from them. After each time that they starved in
/// class SCHED_IDLE nothing is placed for a while, which doubles as long as they starve again soon.
/// </summary>
/// <remarks>
/// The threads also wait while their own clients run on their CPU, but shortly. So a part of each wait is not counted.
/// </remarks>
internal sealed class StarvationGuard(TimeProvider time)
{
    /// <summary>Starvation within as many pauses after the last one makes the next pause longer.</summary>
    private const int PausesUntilForgotten = 5;

    private static readonly TimeSpan s_behindClient = TimeSpan.FromMicroseconds(300);
    private static readonly TimeSpan s_longWait = TimeSpan.FromMilliseconds(2);

    /// <summary>
    /// The watching thread looks every 5 ms. One that comes so late waits for a CPU itself, and helps nobody in time.
    /// </summary>
    private static readonly TimeSpan s_lateLook = TimeSpan.FromMilliseconds(15);

    /// <summary>
    /// Short, since a single wait of some milliseconds means nothing: programs that start or end cause it.
    /// </summary>
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(20);

    /// <summary>From a pause of this length on it is certain that others want the CPU.</summary>
    private static readonly TimeSpan s_certain = TimeSpan.FromMilliseconds(80);

    /// <summary>Starvation that is certain is remembered for this long at least.</summary>
    private static readonly TimeSpan s_certainMemory = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(8);

    private CpuWaits _waits;
    private long _looked;
    private long _starved;
    private long _starvations;
    private TimeSpan _pause;

    /// <summary>How often placed threads starved. Any thread.</summary>
    public long Starvations => Volatile.Read(ref _starvations);

    /// <summary>True while nothing is to be placed, because what was placed last has starved.</summary>
    public bool IsPausing => _pause > TimeSpan.Zero && time.GetElapsedTime(_starved) < _pause;

    /// <summary>Sets from when on waits are counted.</summary>
    public void Begin(CpuWaits waits)
    {
        _waits = waits;
        _looked = time.GetTimestamp();
    }

    /// <summary>Compares what the threads have waited with the last look, or the beginning.</summary>
    /// <param name="waits">What they have waited, all together.</param>
    /// <returns>True when they wait for others than their clients, or the watching thread does.</returns>
    public bool IsWaiting(CpuWaits waits)
    {
        TimeSpan elapsed = time.GetElapsedTime(_looked);
        CpuWaits grown = waits - _waits;
        TimeSpan delay = grown.Delay - (grown.Slices * s_behindClient);
        Begin(waits);
        return elapsed > s_lateLook || (delay > s_longWait && delay > elapsed / 10);
    }

    /// <summary>What was placed starved. A pause begins.</summary>
    public void Starved()
    {
        TimeSpan since = time.GetElapsedTime(_starved);
        bool isAgain = since < _pause * PausesUntilForgotten || (_pause >= s_certain && since < s_certainMemory);
        _pause = !isAgain ? s_firstPause : _pause * 2 < s_longestPause ? _pause * 2 : s_longestPause;
        _starvations++;
        _starved = time.GetTimestamp();
    }
}
