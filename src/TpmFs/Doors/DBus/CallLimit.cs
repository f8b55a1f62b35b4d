namespace TpmFs.Doors.DBus;

/// <summary>Bounds the calls that are under way: of each caller or user, and of all together. Any thread.</summary>
/// <typeparam name="T">The unique name of a caller, or the number of a user.</typeparam>
/// <param name="each">The most calls of one.</param>
/// <param name="all">The most calls of all together.</param>
internal sealed class CallLimit<T>(int each, int all)
    where T : notnull
{
    private readonly Lock _gate = new();
    private readonly Dictionary<T, int> _calls = [];
    private int _count;

    /// <summary>Counts a call that begins.</summary>
    /// <returns>False when it is one too many.</returns>
    public bool TryBegin(T caller)
    {
        lock (_gate)
        {
            int own = _calls.GetValueOrDefault(caller);
            if (own == each || _count == all)
            {
                return false;
            }

            _calls[caller] = own + 1;
            _count++;
            return true;
        }
    }

    /// <summary>Counts the end of a call that <see cref="TryBegin"/> let begin.</summary>
    public void End(T caller)
    {
        lock (_gate)
        {
            _count--;
            if (--_calls[caller] == 0)
            {
                _calls.Remove(caller);
            }
        }
    }
}
