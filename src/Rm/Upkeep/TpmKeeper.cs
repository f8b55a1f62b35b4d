using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>Brings the TPM up at the start, and back after the way to it was lost. Used by the manager's thread alone.</summary>
internal sealed class TpmKeeper(
    TpmChannel channel,
    TpmProfile profile,
    ObjectResidency objects,
    SessionTable sessions,
    SessionResidency sessionSlots,
    PowerState power,
    RandomReserve reserve,
    ResourceManagerOptions options,
    TimeProvider time,
    IResourceManagerLog log)
{
    private static readonly TimeSpan s_startTimeout = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_connectTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(2);

    /// <summary>How many probes' worth of random bytes are there before the first client is.</summary>
    private const int FirstFills = 4;

    private TimeSpan _pause = s_firstPause;
    private long? _lostAt;
    private long _triedAt;

    /// <summary>The way to the TPM is lost, or it is not yet known what the TPM still holds since then.</summary>
    public bool IsAway => !channel.IsUp || _lostAt is not null;

    /// <summary>How long the TPM has been away; null when it is there.</summary>
    public TimeSpan? LostFor => _lostAt is { } since ? time.GetElapsedTime(since) : null;

    /// <summary>Connects and learns what the TPM is. False with what a person should know.</summary>
    public bool TryStart(out string problem)
    {
        long start = time.GetTimestamp();
        Step step = Step.Lost;
        for (int attempt = 0; step != Step.Done; attempt++)
        {
            TimeSpan left = s_startTimeout - time.GetElapsedTime(start);
            if ((left <= TimeSpan.Zero && attempt > 0) || (!channel.IsUp && !channel.TryConnect(left)))
            {
                problem = channel.Problem.Length > 0 ? channel.Problem : $"The TPM did not get ready within {s_startTimeout.TotalSeconds} s ({step}).";
                return false;
            }

            step = StartOnce();
            if (step == Step.PutOff)
            {
                Thread.Sleep(TimeLimits.Backoff(attempt));
            }
            else if (step is Step.Inconsistent or Step.NoRoom or Step.Gap)
            {
                problem = "The TPM does not answer as a TPM 2.0 does: TPM2_Startup, TPM2_GetCapability or TPM2_ReadClock failed.";
                return false;
            }
        }

        problem = "";
        return true;
    }

    /// <summary>The way is lost: notes since when, once.</summary>
    public void NoteLoss()
    {
        if (_lostAt is null)
        {
            _lostAt = time.GetTimestamp();
            _triedAt = _lostAt.Value;
            _pause = TimeSpan.Zero;
            log.TpmLost(channel.Problem);
        }
    }

    /// <summary>How long until the next attempt to get the TPM back.</summary>
    public TimeSpan UntilNextTry()
    {
        TimeSpan left = _pause - time.GetElapsedTime(_triedAt);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>
    /// One attempt to get the TPM back, with all that it still holds of the manager's. A TPM that puts this off is asked again; one that
    /// only fails is for its clients to hear.
    /// </summary>
    public bool TryReturn()
    {
        Step step = channel.IsUp || channel.TryConnect(s_connectTimeout) ? power.Verify() : Step.Lost;
        step = step == Step.Done ? FlushLeftovers() : step;
        bool isBack = step is Step.Done or Step.Inconsistent;
        _triedAt = time.GetTimestamp();
        _pause = _pause == TimeSpan.Zero ? s_firstPause : _pause * 2 < s_longestPause ? _pause * 2 : s_longestPause;
        if (isBack)
        {
            _lostAt = null;
            log.TpmBack(TpmReturn.Unchanged);
        }

        return isBack;
    }

    private Step StartOnce()
    {
        Step step = power.Start();
        step = step == Step.Done ? FlushLeftovers() : step;
        step = step == Step.Done ? profile.Read() : step;
        if (step != Step.Done)
        {
            return step;
        }

        objects.Guess((int)Math.Min(profile.Property(TpmPt.HrTransientAvail, 3), int.MaxValue));
        sessionSlots.Guess(
            (int)Math.Min(profile.Property(TpmPt.HrLoadedAvail, 3), int.MaxValue),
            (int)Math.Min(profile.Property(TpmPt.ActiveSessionsMax, 64), int.MaxValue),
            profile.Property(TpmPt.ContextGapMax, ushort.MaxValue));
        for (int i = 0; i < FirstFills && channel.GetRandom(RandomReserve.LargestAnswer, out ReadOnlySpan<byte> bytes).Succeeded; i++)
        {
            reserve.Add(bytes);
        }

        channel.WipeOwn();
        return channel.IsUp ? Step.Done : Step.Lost;
    }

    /// <summary>
    /// Where the TPM is the manager's alone, what it holds and the manager does not know is left over, from an earlier daemon or from the
    /// command that was under way when the link was lost.
    /// </summary>
    private Step FlushLeftovers()
    {
        if (!options.FlushAtStart)
        {
            return Step.Done;
        }

        var held = new List<TpmHandle>();
        Step step = Step.Done;
        foreach (TpmHt type in (ReadOnlySpan<TpmHt>)[TpmHt.Transient, TpmHt.LoadedSession, TpmHt.SavedSession])
        {
            step = step == Step.Done ? profile.ReadHandles(type, held) : step;
        }

        foreach (TpmHandle handle in held)
        {
            bool isKnown = handle.IsTransient ? objects.Holds(handle) : sessions.Holds(handle);
            if (step == Step.Done && !isKnown)
            {
                step = channel.FlushContext(handle).AsStep();
            }
        }

        return step;
    }
}
