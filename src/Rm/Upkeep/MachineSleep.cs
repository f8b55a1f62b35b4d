using TpmFs.Rm.Channel;
using TpmFs.Rm.Scheduling;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// The machine is about to sleep: the command that runs ends, everything is saved, and nothing is sent to the TPM until
/// the machine is awake. Nobody is kept waiting meanwhile: who waits in a request of FUSE's cannot be frozen. Used by
/// the manager's thread alone, but for <see cref="Begin"/>, <see cref="End"/> and <see cref="IsWanted"/>.
/// </summary>
internal sealed class MachineSleep(CommandQueue queue, RoomMaker room, TpmConnection connection, TimeProvider time)
{
    private readonly Lock _lock = new();
    private Action? _saved; // Under _lock: who waits to be told.
    private volatile bool _isWanted;
    private volatile int _begun; // Written under _lock.
    private int _savedFor;
    private bool _wasAsleep;
    private int _putOffs;
    private long _triedAt;

    /// <summary>Commands are given back. Any thread.</summary>
    public bool IsWanted => _isWanted;

    /// <summary>Everything is saved, for the sleep that was last begun.</summary>
    private bool IsAsleep => _savedFor == _begun;

    /// <summary>There is something to do: to save, or to begin anew.</summary>
    public bool IsDue => _isWanted ? !IsAsleep && UntilDue == TimeSpan.Zero : _wasAsleep;

    /// <summary>How long until the TPM, which put it off, is asked to save again.</summary>
    public TimeSpan? UntilDue
    {
        get
        {
            if (IsAsleep)
            {
                return null;
            }

            TimeSpan left =
                (_putOffs == 0 ? TimeSpan.Zero : TimeLimits.Backoff(_putOffs - 1)) - time.GetElapsedTime(_triedAt);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <summary>
    /// Gives commands back from now on. <paramref name="saved"/> is called when everything is saved, unless it ends
    /// before. Any thread.
    /// </summary>
    public void Begin(Action saved)
    {
        lock (_lock)
        {
            _saved = saved;
            _begun++;
            _isWanted = true;
        }

        queue.Hold();
    }

    /// <summary>Commands go on. Any thread.</summary>
    public void End()
    {
        lock (_lock)
        {
            _saved = null;
            _isWanted = false;
        }

        queue.Release();
    }

    /// <summary>Does what is due.</summary>
    public void Do()
    {
        if (!_isWanted)
        {
            _wasAsleep = false;
            _putOffs = 0;
            connection.AskAnew();
            return;
        }

        int begun = _begun;
        _wasAsleep = true;
        queue.GiveBackWaiting(); // the one that ran may have come to wait
        _triedAt = time.GetTimestamp();

        // A TPM that is lost holds what it holds. One that refuses to the end, or has no room for the last, is asked
        // anew when the machine is awake.
        if (!connection.IsAway && room.ReleaseAll() == TpmStepResult.PutOff)
        {
            _putOffs++;
            return;
        }

        Action? saved;
        lock (_lock)
        {
            saved = begun == _begun ? _saved : null;
            _saved = saved is null ? _saved : null;
            _savedFor = begun;
        }

        saved?.Invoke();
    }
}
