using TpmFs.Rm.Channel;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// Connects to the TPM at the start, and again after the way to it was lost or the machine slept. Used by the manager's
/// thread alone, except for <see cref="Facts"/> and <see cref="Problem"/>.
/// </summary>
internal sealed class TpmConnection(
    TpmChannel channel,
    TpmIntroduction introduction,
    PowerState power,
    Reconciliation reconciliation,
    TimeProvider time,
    IResourceManagerLog log)
{
    private static readonly TimeSpan s_startTimeout = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_connectTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(2);

    private volatile TpmFacts _facts = TpmFacts.None;
    private volatile string _problem = "";
    private TimeSpan _pause = s_firstPause;
    private long? _lostAt;
    private long _triedAt;
    private int _restartsBefore;
    private bool _mustAsk;

    /// <summary>Gets the facts about the TPM. Any thread.</summary>
    public TpmFacts Facts => _facts;

    /// <summary>Gets the reason why the TPM is not there; empty while it is. Any thread.</summary>
    public string Problem => _problem;

    /// <summary>
    /// True when the way to the TPM is lost, or the manager has not yet asked what the TPM still holds since then.
    /// </summary>
    public bool IsAway => !channel.IsUp || _lostAt is not null || _mustAsk || _facts.Family == TpmFamily.Unknown;

    /// <summary>Gets the time for which the TPM has been away; null when it is there.</summary>
    public TimeSpan? LostFor => _lostAt is { } since ? time.GetElapsedTime(since) : null;

    /// <summary>
    /// Connects and learns the facts about the TPM. Returns false with a problem for a person to read.
    /// </summary>
    /// <param name="pause">Waits for the time given.</param>
    public bool TryStart(Action<TimeSpan> pause, out string problem)
    {
        long start = time.GetTimestamp();
        TpmStepResult step = TpmStepResult.Lost;
        for (int attempt = 0; step != TpmStepResult.Done; attempt++)
        {
            TimeSpan left = s_startTimeout - time.GetElapsedTime(start);
            if ((left <= TimeSpan.Zero && attempt > 0) || (!channel.IsUp && !channel.TryConnect(left)))
            {
                problem = _problem = channel.Problem.Length > 0
                    ? channel.Problem : $"The TPM did not get ready within {s_startTimeout.TotalSeconds} s ({step}).";
                return false;
            }

            step = Introduce();
            if (step is TpmStepResult.PutOff or TpmStepResult.Lost)
            {
                pause(TimeLimits.Backoff(attempt));
            }
            else if (step is TpmStepResult.Inconsistent or TpmStepResult.NoRoom or TpmStepResult.Gap)
            {
                problem = _problem;
                return false;
            }
        }

        problem = "";
        return true;
    }

    /// <summary>
    /// Records that the machine may have slept. Before the next command the manager asks the TPM what it still holds.
    /// </summary>
    public void AskAnew()
    {
        _mustAsk = true;
        channel.Doubt();
        _pause = _lostAt is null ? TimeSpan.Zero : _pause;
    }

    /// <summary>Records that the way to the TPM is lost, and since when.</summary>
    public void NoteLoss()
    {
        if (_lostAt is null && !(channel.IsUp && _mustAsk))
        {
            _lostAt = time.GetTimestamp();
            _triedAt = _lostAt.Value;
            _pause = TimeSpan.Zero;
            _restartsBefore = power.RestartsSeen;
            _problem = channel.Problem.Length > 0 ? channel.Problem : _problem;
            log.TpmLost(_problem);
        }
    }

    /// <summary>Returns the time until the next attempt to get the TPM back.</summary>
    public TimeSpan UntilNextTry()
    {
        TimeSpan left = _pause - time.GetElapsedTime(_triedAt);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>
    /// Makes one attempt to get the TPM back, with all that it still holds for the manager. Asks again when the TPM
    /// puts a command off. When a TPM answers with failures only, its clients get to see them.
    /// </summary>
    public bool TryReturn()
    {
        bool isFirst = _facts.Family == TpmFamily.Unknown;
        bool isConnected = channel.IsUp || channel.TryConnect(s_connectTimeout);
        TpmStepResult step = !isConnected ? TpmStepResult.Lost : isFirst ? Introduce() : AskWhatIsLeft();
        bool isBack = step == TpmStepResult.Done || (step == TpmStepResult.Inconsistent && !isFirst);
        _triedAt = time.GetTimestamp();
        _pause = _pause == TimeSpan.Zero ? s_firstPause : _pause * 2 < s_longestPause ? _pause * 2 : s_longestPause;
        _problem = isBack ? "" : channel.Problem.Length > 0 ? channel.Problem : _problem;
        if (isBack)
        {
            TellReturn(isFirst);
            _mustAsk = false;
            _lostAt = null;
        }
        else if (_lostAt is null)
        {
            NoteLoss();
        }

        return isBack;
    }

    /// <summary>True when the restart was logged already where it was noticed.</summary>
    private void TellReturn(bool isFirst)
    {
        if (isFirst)
        {
            log.TpmFound(_facts);
        }
        else if (_lostAt is not null && power.RestartsSeen == _restartsBefore)
        {
            log.TpmBack(TpmReturn.Unchanged);
        }
    }

    private TpmStepResult AskWhatIsLeft()
    {
        if (_facts.Family == TpmFamily.Tpm12)
        {
            return TpmStepResult.Done;
        }

        TpmStepResult step = power.Verify();
        return step == TpmStepResult.Done ? reconciliation.FlushUnknown() : step;
    }

    private TpmStepResult Introduce()
    {
        TpmStepResult step = introduction.Try(out TpmFacts facts);
        _facts = step == TpmStepResult.Done ? facts : _facts;
        _problem = step is TpmStepResult.Inconsistent or TpmStepResult.NoRoom or TpmStepResult.Gap
            ? "The TPM does not answer as a TPM 2.0 does: TPM2_Startup, TPM2_GetCapability or TPM2_ReadClock failed."
            : _problem;
        return step;
    }
}
