namespace TpmFs.Doors.DBus;

/// <summary>Bounds the calls that are under way, in all and for each caller. Any thread.</summary>
internal sealed class CallLimit
{
    private const int PerCaller = 32;
    private const int InAll = 1024;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _calls = [];
    private int _count;

    /// <summary>Counts a call that begins.</summary>
    /// <returns>False when it is one too many.</returns>
    public bool TryBegin(string caller)
    {
        lock (_gate)
        {
            int own = _calls.GetValueOrDefault(caller);
            if (own == PerCaller || _count == InAll)
            {
                return false;
            }

            _calls[caller] = own + 1;
            _count++;
            return true;
        }
    }

    /// <summary>Counts the end of a call that <see cref="TryBegin"/> let begin.</summary>
    public void End(string caller)
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
