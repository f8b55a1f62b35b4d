namespace TpmFs.Fuse.Session;

/// <summary>
/// Keeps notifications of polls back while the reading thread carries several writes on. A client that waits for
/// several files is then woken once for all of them, and not for each.
/// </summary>
/// <remarks>The gate guards all fields. Notifications of other threads are not kept back.</remarks>
internal sealed class HeldNotifications
{
    private const int Room = 64;

    private readonly Lock _gate = new();
    private readonly (PollId Poll, IFusePolled? Polled)[] _polls = new (PollId, IFusePolled?)[Room];
    private int _added;
    private int _taken;
    private int _holder;

    /// <summary>Keeps the calling thread's notifications back from now on.</summary>
    public void Begin() => Volatile.Write(ref _holder, Environment.CurrentManagedThreadId);

    /// <summary>Lets the calling thread's notifications pass from now on.</summary>
    public void End() => Interlocked.CompareExchange(ref _holder, 0, Environment.CurrentManagedThreadId);

    /// <summary>Keeps a notification back.</summary>
    /// <returns>False when the caller has to send it at once.</returns>
    public bool TryAdd(PollId poll, IFusePolled? polled = null)
    {
        if (Volatile.Read(ref _holder) != Environment.CurrentManagedThreadId)
        {
            return false;
        }

        lock (_gate)
        {
            bool fits = _added < Room;
            if (fits)
            {
                _polls[_added++] = (poll, polled);
            }

            return fits;
        }
    }

    /// <summary>Takes the oldest notification that was kept back. Any thread.</summary>
    /// <returns>False when there is none.</returns>
    public bool TryTake(out PollId poll, out IFusePolled? polled)
    {
        lock (_gate)
        {
            bool isThere = _taken < _added;
            (poll, polled) = isThere ? _polls[_taken] : default;
            if (isThere)
            {
                _polls[_taken++] = default; // so that it keeps no file
            }

            if (_taken == _added)
            {
                (_taken, _added) = (0, 0);
            }

            return isThere;
        }
    }
}
