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
    private static readonly TimeSpan s_behindClient = TimeSpan.FromMicroseconds(300);
    private static readonly TimeSpan s_longWait = TimeSpan.FromMilliseconds(2);

    /// <summary>
    /// The watching thread looks every 5 ms. One that comes so late waits for a CPU itself, and helps nobody in time.
    /// </summary>
    private static readonly TimeSpan s_lateLook = TimeSpan.FromMilliseconds(15);

    /// <summary>
    /// Threads that were placed for a shorter time in all since they last starved have others on their CPU all the
    /// time. Otherwise it was a single wait, such as a program that starts or ends causes.
    /// </summary>
    private static readonly TimeSpan s_soon = TimeSpan.FromMilliseconds(100);

    private readonly Pauses _pauses = new(time, longest: TimeSpan.FromSeconds(8));
    private CpuWaits _waits;
    private long _looked;
    private TimeSpan _placed;
    private long _starvations;

    /// <summary>How often placed threads starved. Any thread.</summary>
    public long Starvations => Volatile.Read(ref _starvations);

    /// <summary>True while nothing is to be placed, because what was placed last has starved.</summary>
    public bool IsPausing => _pauses.IsOn;

    /// <summary>Sets from when on waits are counted.</summary>
    public void Begin(CpuWaits waits)
    {
        _waits = waits;
        _looked = time.GetTimestamp();
    }

    /// <summary>Compares what the threads have waited with the last look, or the beginning.</summary>
    /// <param name="waits">What they have waited, all together.</param>
    /// <param name="arePlaced">True where they were placed since then.</param>
    /// <returns>True when they wait for others than their clients, or the watching thread does.</returns>
    public bool IsWaiting(CpuWaits waits, bool arePlaced)
    {
        TimeSpan elapsed = time.GetElapsedTime(_looked);
        CpuWaits grown = waits - _waits;
        TimeSpan delay = grown.Delay - (grown.Slices * s_behindClient);
        Begin(waits);
        bool isWaiting = elapsed > s_lateLook || (delay > s_longWait && delay > elapsed / 10);
        _placed += arePlaced && !isWaiting ? elapsed : TimeSpan.Zero;
        return isWaiting;
    }

    /// <summary>What was placed starved. A pause begins.</summary>
    public void Starved()
    {
        _pauses.Begin(isAgain: _placed < s_soon);
        _placed = TimeSpan.Zero;
        _starvations++;
    }
}
