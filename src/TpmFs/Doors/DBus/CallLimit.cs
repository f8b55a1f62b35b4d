namespace TpmFs.Doors.DBus;

/// <summary>
/// Bounds the calls of each caller that are under way. The bus bounds how many callers one user can be
/// (max_connections_per_user in dbus-daemon(1)). Any thread.
/// </summary>
internal sealed class CallLimit
{
    private const int PerCaller = 32;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _calls = [];

    /// <summary>Counts a call that begins.</summary>
    /// <returns>False when it is one too many.</returns>
    public bool TryBegin(string caller)
    {
        lock (_gate)
        {
            int own = _calls.GetValueOrDefault(caller);
            if (own == PerCaller)
            {
                return false;
            }

            _calls[caller] = own + 1;
            return true;
        }
    }

    /// <summary>Counts the end of a call that <see cref="TryBegin"/> let begin.</summary>
    public void End(string caller)
    {
        lock (_gate)
        {
            if (--_calls[caller] == 0)
            {
                _calls.Remove(caller);
            }
        }
    }
}
