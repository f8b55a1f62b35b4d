using System.Diagnostics.CodeAnalysis;
using TpmFs.Rm.Sessions;

namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Hands the commands and closes that openers' threads have queued to the thread that has the manager's turn, and takes
/// the outcome of each command back.
/// </summary>
/// <remarks>
/// The <paramref name="gate"/> is the queue's: it guards the scheduler and all fields. It is held for moments only. No
/// client is called under it, and of the TPM only the cancellation, which does not block.
/// </remarks>
/// <param name="gate">The queue's lock.</param>
/// <param name="scheduler">Has the commands that do not run.</param>
/// <param name="wake">Set when the manager's thread has something to do.</param>
/// <param name="cancelRunning">Cancels what the TPM is doing; must not block.</param>
internal sealed class CommandDispatcher(Lock gate, Scheduler scheduler, WakeSignal wake, Action cancelRunning)
{
    private readonly Queue<ManagedSpace> _closing = [];
    private readonly Queue<SchedulingGroup> _ended = [];
    private PendingCommand? _running;
    private bool _isStopping;
    private bool _isHeld;

    /// <summary>True when the manager begins no command any more.</summary>
    public bool IsStopping
    {
        get
        {
            using Lock.Scope held = gate.EnterScope();
            return _isStopping;
        }
    }

    /// <summary>True while the manager begins no command. Under the gate.</summary>
    public bool IsHeld => _isHeld;

    /// <summary>The owners of the spaces whose commands wait for a session; one for each command.</summary>
    public SpaceOwner[] SessionWaiters
    {
        get
        {
            using Lock.Scope held = gate.EnterScope();
            return scheduler.SessionWaiters;
        }
    }

    /// <summary>Begins no command from now on, or begins commands again.</summary>
    public void SetHeld(bool isHeld)
    {
        lock (gate)
        {
            _isHeld = isHeld;
            wake.Set();
        }
    }

    /// <summary>Cancels the command that runs, of whatever opener.</summary>
    public void CancelRunning()
    {
        lock (gate)
        {
            if (_running is not null)
            {
                CancelRunning(_running);
            }
        }
    }

    /// <summary>Cancels the command that runs. Under the gate.</summary>
    /// <param name="running">That command.</param>
    public void CancelRunning(PendingCommand running)
    {
        running.IsCanceled = true;
        cancelRunning();
    }

    /// <summary>Records that the space's opener is gone. Under the gate.</summary>
    public void Close(ManagedSpace space)
    {
        _closing.Enqueue(space);
        wake.Set();
    }

    /// <summary>Records that the group is gone. Its spaces were closed before.</summary>
    public void End(SchedulingGroup group)
    {
        lock (gate)
        {
            _ended.Enqueue(group);
            wake.Set();
        }
    }

    /// <summary>Begins no command any more, and cancels the command that runs.</summary>
    public void Stop()
    {
        lock (gate)
        {
            _isStopping = true;
            CancelRunning();
            wake.Set();
        }
    }

    /// <summary>Takes a space whose opener is gone and whose last command is over.</summary>
    public bool TryTakeClosing([NotNullWhen(true)] out ManagedSpace? closing)
    {
        using Lock.Scope held = gate.EnterScope();
        return _closing.TryDequeue(out closing);
    }

    /// <summary>Takes a group that is gone.</summary>
    public bool TryTakeEnded([NotNullWhen(true)] out SchedulingGroup? ended)
    {
        using Lock.Scope held = gate.EnterScope();
        return _ended.TryDequeue(out ended);
    }

    /// <summary>
    /// Takes the next command, the caller's until <see cref="Finish"/>; false when none waits, or threads are lent for
    /// all that wait. The lent threads come in a moment.
    /// </summary>
    public bool TryTake([NotNullWhen(true)] out PendingCommand? next)
    {
        lock (gate)
        {
            next = scheduler.HasOnlyLent ? null : TakeNext();
            return next is not null;
        }
    }

    /// <summary>
    /// Takes this command, the caller's until <see cref="Finish"/>, whichever is the next one; false when it does not
    /// wait.
    /// </summary>
    public bool TryTake(PendingCommand wanted)
    {
        using Lock.Scope held = gate.EnterScope();
        _running = scheduler.TryTake(wanted) ? wanted : null;
        return _running is not null;
    }

    /// <summary>Takes the next command, if threads are lent for all that wait and no opener has left.</summary>
    public bool TryTakeLent(PendingCommand lender, [NotNullWhen(true)] out PendingCommand? next)
    {
        lock (gate)
        {
            bool canLend = lender.IsLent && _closing.Count == 0 && scheduler.HasOnlyLent;
            next = canLend && _running is null ? TakeNext() : null;
            return next is not null;
        }
    }

    /// <inheritdoc cref="Scheduler.EndLend"/>
    public bool EndLend(PendingCommand lender, bool hasRun, out bool mustWake)
    {
        using Lock.Scope held = gate.EnterScope();
        return scheduler.EndLend(lender, hasRun, out mustWake);
    }

    /// <summary>
    /// Records the outcome of the command that was taken. Keeps a command that is not over, to be taken again. Returns
    /// true when the command is over and its opener wants the answer.
    /// </summary>
    public bool Finish(PendingCommand pending, CommandOutcome outcome, TimeSpan used)
    {
        lock (gate)
        {
            _running = null;
            scheduler.Served(pending, used);
            if (outcome.IsOver || pending.IsClosed)
            {
                pending.Drop();
                return !pending.IsClosed;
            }

            switch (outcome.Kind)
            {
                case CommandOutcomeKind.WhenTpmIsBack:
                    scheduler.Enqueue(pending);
                    break;
                case CommandOutcomeKind.WhenSessionIsReleased when !pending.IsCanceled:
                    scheduler.ParkForSession(pending, outcome.Delay);
                    break;
                default:
                    scheduler.Park(pending, pending.IsCanceled ? TimeSpan.Zero : outcome.Delay);
                    break;
            }

            return false;
        }
    }

    /// <summary>Lets as many commands that wait for a session try again as the TPM got sessions back.</summary>
    /// <param name="order">Tells which of the waiting owners comes first; must not block.</param>
    public void SessionsReleased(long count, Func<IEnumerable<SpaceOwner>, Func<SpaceOwner, ShareLevel>> order)
    {
        lock (gate)
        {
            for (; count > 0 && scheduler.SessionWaiters is { Length: > 0 } waiting; count--)
            {
                scheduler.SessionReleased(order(waiting));
            }
        }
    }

    /// <summary>Returns the time until a waiting command is due; null when none waits for a time.</summary>
    public TimeSpan? UntilDue()
    {
        using Lock.Scope held = gate.EnterScope();
        return scheduler.UntilDue();
    }

    /// <summary>Under the gate.</summary>
    private PendingCommand? TakeNext() =>
        _running = !_isStopping && !_isHeld && scheduler.TryTake(out PendingCommand taken) ? taken : null;
}
