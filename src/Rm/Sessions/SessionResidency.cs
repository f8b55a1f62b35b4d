using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Tpm;

namespace TpmFs.Rm.Sessions;

/// <summary>
/// Moves sessions into and out of the TPM's slots. Saves the oldest saved session again before the TPM's context
/// counter is too far from it. Used by the manager's thread alone.
/// </summary>
/// <param name="channel">The way to the TPM.</param>
/// <param name="sessions">The loaded and the saved sessions.</param>
/// <param name="slots">The number of slots.</param>
/// <param name="gap">The greatest distance that the context counter may run.</param>
/// <param name="reserve">The number of slots that are left to the TPM's other users.</param>
internal sealed class SessionResidency(
    TpmChannel channel, SessionLedger sessions, SlotCount slots, ContextGap gap, int reserve)
{
    /// <summary>Gets the number of sessions that have left a slot since the start to make room for others.</summary>
    public long Evictions { get; private set; }

    /// <summary>
    /// Makes room for the command, keeps the oldest saved session young enough, and loads the sessions that the command
    /// names. First saves a session that its client loads, but that stayed loaded because the manager could not save it
    /// anew.
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
    /// Learns from the TPM's refusal that it has no more session slots than are taken now, and gives one back.
    /// </summary>
    public TpmStepResult MakeRoom(CommandPlan? plan)
    {
        slots.Shrink(sessions.LoadedCount);
        return SaveOne(plan);
    }

    /// <summary>Takes one session that the plan does not name out of the TPM's slots.</summary>
    public TpmStepResult SaveOne(CommandPlan? plan)
    {
        if (sessions.Doomed.LoadedCount > 0)
        {
            return FlushDoomed();
        }

        if (sessions.LeastRecentlyUsed(plan) is not { } leaving)
        {
            return TpmStepResult.NoRoom;
        }

        Evictions++;
        return Save(leaving);
    }

    /// <summary>
    /// Gives one slot back. The result is <see cref="TpmStepResult.Done"/> while there was one to give back.
    /// </summary>
    public TpmStepResult ReleaseOne()
    {
        TpmStepResult step = SaveOne(null);
        if (sessions.LoadedCount == 0)
        {
            slots.Forget();
        }

        return step;
    }

    /// <summary>
    /// Loads the oldest saved session and saves it again, which moves the gap along. The result is
    /// <see cref="TpmStepResult.NoRoom"/> when the manager has no saved session: the oldest one belongs to another user
    /// of the TPM.
    /// </summary>
    public TpmStepResult Regap(CommandPlan? plan)
    {
        if (sessions.Doomed.Count > 0)
        {
            return FlushDoomed();
        }

        if (sessions.OldestSaved is not { } oldest)
        {
            return TpmStepResult.NoRoom;
        }

        TpmStepResult step = sessions.LoadedCount >= slots.Now ? SaveOne(plan) : TpmStepResult.Done;
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

    /// <summary>Flushes one session that no space can name.</summary>
    public TpmStepResult FlushDoomed()
    {
        if (sessions.Doomed.Count == 0)
        {
            return TpmStepResult.NoRoom;
        }

        OwnResult result = channel.FlushContext(sessions.Doomed.First.Handle);
        TpmStepResult step = result.AsStep();
        if (step == TpmStepResult.Done || result.IsRefusal())
        {
            sessions.RemoveFirstDoomed();
        }

        return step;
    }

    /// <summary>
    /// Keeps one slot free for the oldest saved session once the gap is half used up: at the end of the gap only that
    /// session can be loaded.
    /// </summary>
    private int Capacity => Math.Max(slots.Now - reserve - (sessions.Gap > gap.Max / 2 ? 1 : 0), 1);

    private TpmStepResult CloseGap(CommandPlan plan)
    {
        TpmStepResult step = TpmStepResult.Done;
        for (int left =
            sessions.Count; step == TpmStepResult.Done && left > 0 && sessions.Gap > gap.Max - gap.Slack; left--)
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
            sessions.Load(missing);
        }
        else if (result.IsRefusal())
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
            sessions.Save(loaded, context);
        }
        else if (result.IsRefusal())
        {
            sessions.Doom(loaded);
        }

        return step;
    }
}
