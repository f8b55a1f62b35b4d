using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Scheduling;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// Prepares the TPM for the machine's sleep: lets the command that runs end, saves everything, and sends nothing to the
/// TPM until the machine is awake. No client waits meanwhile, since the kernel cannot freeze a client that waits in a
/// FUSE request. Used by the manager's thread alone, except for <see cref="Begin"/>, <see cref="End"/> and
/// <see cref="IsWanted"/>.
/// </summary>
internal sealed class MachineSleep(
    CommandQueue queue, TpmLedger ledger, RoomMaker room, TpmConnection connection, TimeProvider time)
{
    private readonly Lock _lock = new();
    private Action? _saved; // Under _lock: called when everything is saved.
    private volatile bool _isWanted;
    private volatile int _begun; // Written under _lock.
    private int _savedFor;
    private bool _wasAsleep;
    private int _putOffs;
    private long _triedAt;

    /// <summary>True while commands get TPM_RC_RETRY. Any thread.</summary>
    public bool IsWanted => _isWanted;

    /// <summary>True when everything is saved for the sleep that was begun last.</summary>
    private bool IsAsleep => _savedFor == _begun;

    /// <summary>True when there is something to do: to save, or to go on after the sleep.</summary>
    public bool IsDue => _isWanted ? !IsAsleep && UntilDue == TimeSpan.Zero : _wasAsleep;

    /// <summary>The time until the manager asks a TPM that put the saving off again.</summary>
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
    /// Begins to answer commands with TPM_RC_RETRY. Calls <paramref name="saved"/> when everything is saved, unless the
    /// sleep ends before. Any thread.
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

    /// <summary>Lets commands go on. Any thread.</summary>
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
            ledger.IsSuspended = false;
            connection.AskAnew();
            return;
        }

        int begun = _begun;
        _wasAsleep = true;
        ledger.IsSuspended = true;
        queue.GiveBackWaiting(); // the command that ran may be waiting now
        _triedAt = time.GetTimestamp();

        // Nothing can be saved from a TPM that is lost. A TPM that refuses to the end, or has no room for the last
        // session, is asked again when the machine is awake.
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
