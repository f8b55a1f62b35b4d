using System.Diagnostics.CodeAnalysis;
using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Scheduling;
using TpmFs.Tpm;

namespace TpmFs.Rm.Manager;

/// <summary>
/// Decides what the manager does next, and does it. Used by one thread at a time: the one that has the turn
/// (<see cref="TurnTaker"/>).
/// </summary>
internal sealed class ManagerLoop(ManagerParts parts)
{
    /// <summary>The number of times that the TPM may put a flush off when the manager ends: for 5 s in all.</summary>
    private const int MaxPutOffsAtEnd = 9;

    private long _releasedSessions;

    /// <summary>
    /// Does the next piece of work: an opener's end, an attempt to get the TPM back, a command, idle work. Returns
    /// false when there is none.
    /// </summary>
    public bool RunOne()
    {
        bool didOne = true;
        if (parts.Dispatcher.TryTakeClosing(out ManagedSpace? closing))
        {
            parts.Ledger.LetGo(closing.Record);
        }
        else if (parts.Dispatcher.TryTakeEnded(out SchedulingGroup? ended))
        {
            parts.Ledger.LetGo(ended);
        }
        else if (parts.Sleep.IsDue)
        {
            parts.Sleep.Do();
        }
        else if (parts.Sleep.IsWanted)
        {
            didOne = false;
        }
        else if (parts.Connection.IsAway)
        {
            didOne = RunWithoutTpm();
        }
        else if (parts.Dispatcher.TryTake(out PendingCommand? next))
        {
            Execute(next);
        }
        else
        {
            didOne = IsManaging && parts.IdleWork.TryDoOne();
        }

        EndTurn();
        return didOne;
    }

    /// <summary>Carries out the next command on a thread that is lent for <paramref name="lender"/>.</summary>
    /// <returns>
    /// False when there is other work too, or a command waits for which no thread is lent. The manager's own thread
    /// does it all then.
    /// </returns>
    public bool TryRunLent(PendingCommand lender)
    {
        if (parts.Sleep.IsDue || parts.Connection.IsAway
            || !parts.Dispatcher.TryTakeLent(lender, out PendingCommand? next))
        {
            return false;
        }

        Execute(next);
        EndTurn();
        return true;
    }

    /// <summary>
    /// Returns the time until <see cref="RunOne"/> has something to do; null when nothing is foreseen.
    /// </summary>
    public TimeSpan? UntilDue()
    {
        if (parts.Sleep.IsDue || parts.Sleep.IsWanted)
        {
            return parts.Sleep.UntilDue;
        }

        if (parts.Connection.IsAway)
        {
            return parts.Connection.UntilNextTry();
        }

        TimeSpan? idleWork = IsManaging ? parts.IdleWork.UntilDue() : null;
        TimeSpan? waiting = parts.Dispatcher.UntilDue();
        return waiting is null || idleWork < waiting ? idleWork : waiting;
    }

    /// <summary>
    /// Flushes what the TPM holds for all spaces. The TPM may put a flush off, or the cancellation of the last command
    /// may hit it.
    /// </summary>
    public void Empty()
    {
        foreach (SpaceRecord space in parts.Ledger.Spaces.All.ToArray())
        {
            parts.Ledger.LetGo(space);
        }

        parts.Ledger.Sessions.DoomAll();
        for (int putOffs = 0; parts.Channel.IsUp && parts.Room.HasDoomed;)
        {
            TpmStepResult step = parts.Room.FlushDoomed();
            if (step == TpmStepResult.NoRoom || putOffs == MaxPutOffsAtEnd)
            {
                return;
            }

            if (step == TpmStepResult.PutOff)
            {
                parts.Wake.Wait(TimeLimits.Backoff(putOffs++));
            }
        }
    }

    /// <summary>True when there are handles to look after; a TPM 1.2 has none that could be managed.</summary>
    private bool IsManaging => parts.Connection.Facts.Family == TpmFamily.Tpm20;

    /// <summary>
    /// Ends the turn of a command that was taken: records its outcome, and answers its client if it is over.
    /// </summary>
    public void Complete(PendingCommand pending, in CommandOutcome outcome)
    {
        TpmCc code = pending.Code;
        int commandLength = pending.Bytes.Length;
        long now = parts.Time.GetTimestamp();
        parts.IdleWork.ClientCommand(now, isShutdown: code == TpmCc.Shutdown && outcome.HasSucceeded);
        TimeSpan busy = parts.Meter.EndTurn(pending.Space);
        if (outcome.IsOver)
        {
            parts.Meter.Answered(pending, outcome, busy, now);
        }

        Keep(pending, outcome);
        if (parts.Dispatcher.Finish(pending, outcome, busy))
        {
            Deliver(pending.Space.Client, outcome, code);
        }

        parts.Buffers.Wipe(commandLength, outcome);
        parts.Ledger.Mirror.Client?.Wipe();
        parts.Ledger.Answer.Forget();
    }

    private void Execute(PendingCommand pending)
    {
        parts.Meter.Begin();
        parts.Ledger.Spaces.Enter(pending.Space.Record);
        Complete(pending, Run(pending));
        if (parts.Channel.IsUp && IsManaging)
        {
            parts.IdleWork.AfterCommand(mayFill: !pending.Space.Record.IsRaw);
        }
    }

    /// <summary>
    /// Keeps the answer with what the command has changed. An answer without changes need not be kept: the next manager
    /// would find it again from the exchange.
    /// </summary>
    private void Keep(PendingCommand pending, in CommandOutcome outcome)
    {
        LedgerMirror mirror = parts.Ledger.Mirror;
        if (outcome.IsOver && mirror.HasChanges)
        {
            parts.Ledger.Answer.Keep(
                pending.Space.Id, pending.Count, outcome.Response.Span,
                outcome.Kind == CommandOutcomeKind.Failed ? outcome.Failure : null);
        }

        mirror.Commit();
    }

    /// <summary>Carries a command out. Logs a bug in that; the command's client then gets no answer.</summary>
    private CommandOutcome Run(PendingCommand pending)
    {
        try
        {
            return pending.Space.Record.IsRaw ? parts.Raw.Run(pending) : parts.Runner.Run(pending);
        }
        catch (Exception bug)
        {
            parts.Log.Fault(bug);
            return CommandOutcome.Failed(SpaceFailure.Fault);
        }
    }

    private static void Deliver(ISpaceClient client, in CommandOutcome outcome, TpmCc code)
    {
        if (outcome.IsDenied)
        {
            client.Denied(code);
        }

        if (outcome.Kind == CommandOutcomeKind.Answered)
        {
            client.Completed(outcome.Response.Span);
        }
        else
        {
            client.Failed(outcome.Failure);
        }
    }

    private bool RunWithoutTpm()
    {
        TimeSpan patience = parts.Options.ReconnectPatience;
        parts.Connection.NoteLoss();
        if (parts.Connection.LostFor > patience)
        {
            parts.Queue.FailWaiting(
                parts.Channel.Loss, pending => parts.Time.GetElapsedTime(pending.Submitted) > patience);
        }

        return parts.Connection.UntilNextTry() == TimeSpan.Zero && parts.Connection.TryReturn();
    }

    private void EndTurn()
    {
        TellReleased();
        parts.Ledger.Mirror.Commit();
    }

    /// <summary>Lets commands that wait for a session try again, as many as the TPM got sessions back.</summary>
    private void TellReleased()
    {
        long released = parts.Ledger.Sessions.ReleasedCount;
        if (_releasedSessions != released)
        {
            parts.Dispatcher.SessionsReleased(released - _releasedSessions, parts.Fairness.OrderOf);
            _releasedSessions = released;
        }
    }
}
