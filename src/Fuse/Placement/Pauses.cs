namespace TpmFs.Fuse.Placement;

/// <summary>
/// A pause after each failure: 20 ms at first, and twice as long each time that the next try fails too. The first one
/// is short, since a single failure means nothing.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="longest">The longest pause.</param>
internal sealed class Pauses(TimeProvider time, TimeSpan longest)
{
    private static readonly TimeSpan s_first = TimeSpan.FromMilliseconds(20);

    private TimeSpan _length;
    private long _began;

    /// <summary>True while nothing is to be tried.</summary>
    public bool IsOn => _length > TimeSpan.Zero && time.GetElapsedTime(_began) < _length;

    /// <summary>Begins a pause.</summary>
    /// <param name="isAgain">True to make it twice as long as the last one.</param>
    public void Begin(bool isAgain)
    {
        TimeSpan doubled = _length * 2;
        _length = !isAgain || doubled < s_first ? s_first : doubled < longest ? doubled : longest;
        _began = time.GetTimestamp();
    }
}
