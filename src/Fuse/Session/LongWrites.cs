namespace TpmFs.Fuse.Session;

/// <summary>
/// Tells whether the next write is expected to take long to carry on. Written by the thread that carried a write on,
/// read by the holder of the turn.
/// </summary>
internal sealed class LongWrites
{
    /// <summary>
    /// A write that takes longer than this to carry on is worth waking another thread for, which costs some 6 µs.
    /// </summary>
    private static readonly TimeSpan s_long = TimeSpan.FromMilliseconds(0.5);

    /// <summary>
    /// After as many long writes in a row the next one is expected to take long too. A single one may have waited for
    /// its CPU, and a turn that is passed on leaves the client's CPU.
    /// </summary>
    private const int InARow = 3;

    private volatile int _count;

    /// <summary>True when the last writes all took long.</summary>
    public bool AreExpected => _count >= InARow;

    /// <summary>Notes how long a write took to carry on.</summary>
    public void Note(TimeSpan took) => _count = took <= s_long ? 0 : Math.Min(_count + 1, InARow);
}
