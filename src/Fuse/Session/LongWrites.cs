namespace TpmFs.Fuse.Session;

/// <summary>
/// Tells whether the thread that is lent for the next write is expected to be lent for long. Written by a lent thread,
/// read by the holder of the turn.
/// </summary>
internal sealed class LongWrites
{
    /// <summary>
    /// Where a thread is lent for longer than this, another one is worth waking beforehand, which costs some 6 µs.
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

    /// <summary>Notes how long a thread was lent for a write.</summary>
    public void Note(TimeSpan took) => _count = took <= s_long ? 0 : Math.Min(_count + 1, InARow);
}
