using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>
/// Which sessions are in the TPM's slots, and how far its context counter may run before the oldest saved one is saved
/// anew. Used by the manager's thread alone.
/// </summary>
internal sealed class SessionResidency(TpmChannel channel, SessionTable sessions, int reserve)
{
    private int _firstGuess = int.MaxValue;
    private int _slots = int.MaxValue;
    private ulong _gapMax = ushort.MaxValue;
    private ulong _gapSlack;

    /// <summary>Sessions that have left a slot for others since the start.</summary>
    public long Evictions { get; private set; }

    /// <summary>What the TPM says of itself, while the manager holds no session.</summary>
    /// <param name="slots">TPM_PT_HR_LOADED_AVAIL.</param>
    /// <param name="active">TPM_PT_ACTIVE_SESSIONS_MAX.</param>
    /// <param name="gap">TPM_PT_CONTEXT_GAP_MAX.</param>
    public void Guess(int slots, int active, uint gap)
    {
        _firstGuess = Math.Max(slots, 1);
        _slots = _firstGuess;
        _gapMax = Math.Max(gap, 2);
        _gapSlack = Math.Min(_gapMax / 2, 4 * (ulong)Math.Max(active, 1));
    }

    /// <summary>The TPM was restarted: how many slots it has is to be learned anew.</summary>
    public void TpmRestarted() => _slots = _firstGuess;

    /// <summary>
    /// Makes room for the command, keeps the oldest saved session young enough, and loads what the command names. A
    /// session that its client loads, but that was left loaded when the manager could not save it anew, is saved first.
    /// </summary>
    public TpmStepResult Prepare(CommandPlan plan)
    {
        TpmStepResult step = CloseGap(plan);
        if (step == TpmStepResult.Done
            && plan is { NewSessions: > 0, SubjectSession: { SavedByClient: true, IsLoaded: true } kept })
        {
            step = Save(kept);
        }

        int missing = 0;
        foreach (Session named in plan.Sessions)
        {
            missing += named.IsLoaded ? 0 : 1;
        }

        int wanted = missing + plan.NewSessions;
        while (step == TpmStepResult.Done && wanted > 0 && sessions.LoadedCount + wanted > Capacity)
        {
            step = SaveOne(plan);
        }

        step = step == TpmStepResult.NoRoom ? TpmStepResult.Done : step;
        for (int i = 0; step == TpmStepResult.Done && i < plan.Sessions.Count; i++)
        {
            step = plan.Sessions[i].IsLoaded ? TpmStepResult.Done : Load(plan.Sessions[i], plan);
        }

        return step;
    }

    /// <summary>
    /// The TPM refused for want of a session slot: it has no more than are taken now. Gives one back.
    /// </summary>
    public TpmStepResult MakeRoom(CommandPlan? plan)
    {
        _slots = Math.Max(sessions.LoadedCount, 1);
        return SaveOne(plan);
    }

    /// <summary>Takes one session out of the TPM's slots that the plan does not name.</summary>
    public TpmStepResult SaveOne(CommandPlan? plan)
    {
        if (sessions.HasDoomedLoaded)
        {
            return sessions.FlushDoomed();
        }

        if (sessions.LeastRecentlyUsed(plan) is not { } leaving)
        {
            return TpmStepResult.NoRoom;
        }

        Evictions++;
        return Save(leaving);
    }

    /// <summary>
    /// Gives every slot back, one command at a time: <see cref="TpmStepResult.Done"/> while there was one to give back.
    /// </summary>
    public TpmStepResult ReleaseOne()
    {
        TpmStepResult step = SaveOne(null);
        _slots = sessions.LoadedCount == 0 ? _firstGuess : _slots;
        return step;
    }

    /// <summary>
    /// Loads the oldest saved session and saves it anew, which moves the gap along; <see cref="TpmStepResult.NoRoom"/>
    /// when there is none, so that the oldest is somebody else's.
    /// </summary>
    public TpmStepResult Regap(CommandPlan? plan)
    {
        if (sessions.HasDoomed)
        {
            return sessions.FlushDoomed();
        }

        if (sessions.OldestSaved is not { } oldest)
        {
            return TpmStepResult.NoRoom;
        }

        TpmStepResult step = sessions.LoadedCount >= _slots ? SaveOne(plan) : TpmStepResult.Done;
        if (step is not (TpmStepResult.Done or TpmStepResult.Gap))
        {
            return step;
        }

        step = LoadContext(oldest);
        return step == TpmStepResult.Done ? Save(oldest) : step;
    }

    /// <summary>Loads a session from the manager's context of it.</summary>
    public TpmStepResult Load(Session missing, CommandPlan plan)
    {
        for (int i = 0; i <= sessions.Count; i++)
        {
            TpmStepResult step = LoadContext(missing);
            step = step switch
            {
                TpmStepResult.NoRoom => MakeRoom(plan),
                TpmStepResult.Gap => Regap(plan),
                _ => step,
            };
            if (step != TpmStepResult.Done || missing.IsLoaded)
            {
                return step;
            }
        }

        return TpmStepResult.NoRoom;
    }

    /// <summary>
    /// Room for one more is kept for the oldest saved session once the gap is half used up: only it could be loaded
    /// then.
    /// </summary>
    private int Capacity => Math.Max(_slots - reserve - (sessions.Gap > _gapMax / 2 ? 1 : 0), 1);

    private TpmStepResult CloseGap(CommandPlan plan)
    {
        TpmStepResult step = TpmStepResult.Done;
        for (int left =
            sessions.Count; step == TpmStepResult.Done && left > 0 && sessions.Gap > _gapMax - _gapSlack; left--)
        {
            step = Regap(plan);
        }

        return step == TpmStepResult.NoRoom ? TpmStepResult.Done : step;
    }

    private TpmStepResult LoadContext(Session missing)
    {
        OwnResult result = channel.ContextLoad(missing.Context, out _);
        TpmStepResult step = result.AsStep();
        if (step == TpmStepResult.Done)
        {
            sessions.Loaded(missing);
        }
        else if (step == TpmStepResult.Inconsistent && result.Code != TpmRc.Initialize)
        {
            sessions.Doom(missing);
        }

        return step;
    }

    private TpmStepResult Save(Session loaded)
    {
        OwnResult result = channel.ContextSave(loaded.Handle, out ReadOnlySpan<byte> context);
        TpmStepResult step = result.AsStep();
        if (step == TpmStepResult.Done)
        {
            sessions.Saved(loaded, context);
        }
        else if (step == TpmStepResult.Inconsistent && result.Code != TpmRc.Initialize)
        {
            sessions.Doom(loaded);
        }

        return step;
    }
}
