using System.Diagnostics.CodeAnalysis;
using TpmFs.Rm.Channel;
using TpmFs.Rm.Sessions;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Takes commands, cancellations and closes from openers' threads, and hands them to the manager's thread.
/// </summary>
/// <remarks>
/// <see cref="_gate"/> guards the scheduler, the state of every <see cref="PendingCommand"/>, the spaces that close and
/// the command that runs. It is held for moments only. No client is called under it, and of the TPM only the
/// cancellation, which does not block.
/// </remarks>
internal sealed class CommandQueue : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Queue<ManagedSpace> _closing = [];
    private readonly Queue<SchedulingGroup> _ended = [];
    private readonly Scheduler _scheduler;
    private readonly RandomReserve _reserve;
    private readonly TpmProfile _profile;
    private readonly ProbeRescue _rescue;
    private readonly WakeSignal _wake;
    private readonly TimeProvider _time;
    private readonly Action _cancelRunning;
    private PendingCommand? _running;
    private bool _isStopping;
    private bool _isHeld;

    /// <param name="wake">Set when the manager's thread has something to do.</param>
    /// <param name="cancelRunning">Cancels what the TPM is doing; must not block.</param>
    public CommandQueue(
        RandomReserve reserve, TpmProfile profile, WakeSignal wake, TimeProvider time, Action cancelRunning)
    {
        _reserve = reserve;
        _profile = profile;
        _wake = wake;
        _time = time;
        _cancelRunning = cancelRunning;
        _scheduler = new Scheduler(time);
        _rescue = new ProbeRescue(time, AnswerFromReserve);
    }

    public bool IsStopping
    {
        get
        {
            using Lock.Scope held = _gate.EnterScope();
            return _isStopping;
        }
    }

    /// <summary>The owners of the spaces whose commands wait for a session; one for each command.</summary>
    public SpaceOwner[] SessionWaiters
    {
        get
        {
            using Lock.Scope held = _gate.EnterScope();
            return _scheduler.SessionWaiters;
        }
    }

    /// <summary>
    /// Hands a command in. It fails while the manager stops, and gets TPM_RC_RETRY while commands are held. Returns
    /// false when the opener has a command under way, or is gone.
    /// </summary>
    /// <param name="lends">
    /// True when the caller will offer its own thread for the command, so the manager's thread is not woken.
    /// </param>
    public bool Submit(PendingCommand pending, ReadOnlySpan<byte> command, bool lends)
    {
        bool isTooLate, isHeld;
        lock (_gate)
        {
            if (pending.IsClosed || pending.State != CommandState.Idle)
            {
                return false;
            }

            Enter(pending, command, lends);
            (isTooLate, isHeld) = (_isStopping, _isHeld);
        }

        if (isTooLate)
        {
            FailWaiting(SpaceFailure.Stopping, static _ => true); // fails this command, and all others that wait
        }
        else if (isHeld)
        {
            GiveBackWaiting();
        }

        return true;
    }

    public void Cancel(PendingCommand pending)
    {
        lock (_gate)
        {
            if (pending.State == CommandState.Idle)
            {
                return;
            }

            pending.IsCanceled = true;
            if (pending.State == CommandState.Running)
            {
                _cancelRunning();
                return;
            }

            GiveUp(pending, TpmRc.Canceled);
        }

        Answer(pending, TpmRc.Canceled);
    }

    /// <summary>Begins no command until <see cref="Release"/>; commands get TPM_RC_RETRY meanwhile.</summary>
    public void Hold()
    {
        lock (_gate)
        {
            _isHeld = true;
            _wake.Set();
        }

        GiveBackWaiting();
    }

    /// <summary>Lets commands go on after <see cref="Hold"/>.</summary>
    public void Release()
    {
        lock (_gate)
        {
            _isHeld = false;
            _wake.Set();
        }
    }

    /// <summary>Cancels the command that runs, of whatever opener.</summary>
    public void CancelRunning()
    {
        lock (_gate)
        {
            if (_running is not null)
            {
                _running.IsCanceled = true;
                _cancelRunning();
            }
        }
    }

    /// <summary>Answers all commands that do not run with TPM_RC_RETRY: they could not be started.</summary>
    public void GiveBackWaiting()
    {
        foreach (PendingCommand pending in TakeWaiting(_ => true, TpmRc.Retry))
        {
            Answer(pending, TpmRc.Retry);
        }
    }

    /// <summary>Records that the command's opener is gone. Returns false when it was gone before.</summary>
    public bool Close(PendingCommand pending)
    {
        lock (_gate)
        {
            if (pending.IsClosed)
            {
                return false;
            }

            pending.IsClosed = true;
            if (pending.State == CommandState.Running)
            {
                pending.IsCanceled = true;
                _cancelRunning();
            }
            else if (pending.State != CommandState.Idle)
            {
                _scheduler.Remove(pending);
                pending.Drop();
            }

            _closing.Enqueue(pending.Space);
            _wake.Set();
            return true;
        }
    }

    /// <summary>Records that the group is gone. Its spaces were closed before.</summary>
    public void End(SchedulingGroup group)
    {
        lock (_gate)
        {
            _ended.Enqueue(group);
            _wake.Set();
        }
    }

    /// <summary>Stops taking commands, and cancels the command that runs.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _isStopping = true;
            CancelRunning();
            _wake.Set();
        }
    }

    /// <summary>Takes a space whose opener is gone and whose last command is over.</summary>
    public bool TryTakeClosing([NotNullWhen(true)] out ManagedSpace? closing)
    {
        using Lock.Scope held = _gate.EnterScope();
        return _closing.TryDequeue(out closing);
    }

    /// <summary>Takes a group that is gone.</summary>
    public bool TryTakeEnded([NotNullWhen(true)] out SchedulingGroup? ended)
    {
        using Lock.Scope held = _gate.EnterScope();
        return _ended.TryDequeue(out ended);
    }

    /// <summary>
    /// Takes the next command, the caller's until <see cref="Finish"/>; false when none waits, or threads are lent for
    /// all that wait. The lent threads come in a moment.
    /// </summary>
    public bool TryTake([NotNullWhen(true)] out PendingCommand? next)
    {
        lock (_gate)
        {
            next = _scheduler.HasOnlyLent ? null : TakeNext();
            return next is not null;
        }
    }

    /// <summary>
    /// Takes this command, the caller's until <see cref="Finish"/>, whichever is the next one; false when it does not
    /// wait.
    /// </summary>
    public bool TryTake(PendingCommand wanted)
    {
        using Lock.Scope held = _gate.EnterScope();
        _running = _scheduler.TryTake(wanted) ? wanted : null;
        return _running is not null;
    }

    /// <summary>Takes the next command, if threads are lent for all that wait and no opener has left.</summary>
    public bool TryTakeLent(PendingCommand lender, [NotNullWhen(true)] out PendingCommand? next)
    {
        lock (_gate)
        {
            bool canLend = lender.IsLent && _closing.Count == 0 && _scheduler.HasOnlyLent;
            next = canLend && _running is null ? TakeNext() : null;
            return next is not null;
        }
    }

    /// <inheritdoc cref="Scheduler.EndLend"/>
    public bool EndLend(PendingCommand lender, bool hasRun, out bool mustWake)
    {
        using Lock.Scope held = _gate.EnterScope();
        return _scheduler.EndLend(lender, hasRun, out mustWake);
    }

    /// <summary>
    /// Records the outcome of the command that was taken. Keeps a command that is not over, to be taken again. Returns
    /// true when the command is over and its opener wants the answer.
    /// </summary>
    public bool Finish(PendingCommand pending, CommandOutcome outcome, TimeSpan used)
    {
        lock (_gate)
        {
            _running = null;
            _scheduler.Served(pending, used);
            if (outcome.IsOver || pending.IsClosed)
            {
                pending.Drop();
                return !pending.IsClosed;
            }

            switch (outcome.Kind)
            {
                case CommandOutcomeKind.WhenTpmIsBack:
                    _scheduler.Enqueue(pending);
                    break;
                case CommandOutcomeKind.WhenSessionIsReleased when !pending.IsCanceled:
                    _scheduler.ParkForSession(pending, outcome.Delay);
                    break;
                default:
                    _scheduler.Park(pending, pending.IsCanceled ? TimeSpan.Zero : outcome.Delay);
                    break;
            }

            return false;
        }
    }

    /// <summary>Lets as many commands that wait for a session try again as the TPM got sessions back.</summary>
    /// <param name="order">Tells which of the waiting owners comes first; must not block.</param>
    public void SessionsReleased(long count, Func<IEnumerable<SpaceOwner>, Func<SpaceOwner, ShareLevel>> order)
    {
        lock (_gate)
        {
            for (; count > 0 && _scheduler.SessionWaiters is { Length: > 0 } waiting; count--)
            {
                _scheduler.SessionReleased(order(waiting));
            }
        }
    }

    /// <summary>Fails commands that do not run.</summary>
    public void FailWaiting(SpaceFailure failure, Func<PendingCommand, bool> whether)
    {
        foreach (PendingCommand pending in TakeWaiting(whether, code: null))
        {
            pending.Space.Client.Failed(failure);
        }
    }

    /// <summary>Returns the time until a waiting command is due; null when none waits for a time.</summary>
    public TimeSpan? UntilDue()
    {
        using Lock.Scope held = _gate.EnterScope();
        return _scheduler.UntilDue();
    }

    public void Dispose() => _rescue.Dispose();

    /// <summary>Under the gate.</summary>
    private PendingCommand? TakeNext() =>
        _running = !_isStopping && !_isHeld && _scheduler.TryTake(out PendingCommand taken) ? taken : null;

    /// <summary>Takes commands that do not run out of their lists. The caller gives their answers.</summary>
    /// <param name="code">The answer's code; null when there is none.</param>
    private PendingCommand[] TakeWaiting(Func<PendingCommand, bool> whether, TpmRc? code)
    {
        lock (_gate)
        {
            PendingCommand[] taken = _scheduler.Waiting.Where(whether).ToArray();
            Array.ForEach(taken, pending => GiveUp(pending, code));
            return taken;
        }
    }

    private static void Answer(PendingCommand pending, TpmRc code)
    {
        Span<byte> response = stackalloc byte[TpmResponse.HeaderOnly];
        TpmResponse.Write(response, code);
        pending.Space.Client.Completed(response);
    }

    /// <summary>Ends a command that was not run. The caller answers it. Under the gate.</summary>
    /// <param name="code">The response's code; null when there is none.</param>
    private void GiveUp(PendingCommand waiting, TpmRc? code)
    {
        _scheduler.Remove(waiting);
        waiting.Account(code, isDenied: false, _time.GetElapsedTime(waiting.Submitted));
        waiting.Drop();
    }

    /// <summary>Under the gate.</summary>
    private void Enter(PendingCommand pending, ReadOnlySpan<byte> command, bool lends)
    {
        pending.Take(command, _time.GetTimestamp());
        pending.IsLent = lends;
        _scheduler.Enqueue(pending);
        if (pending.Count == 1 && RandomReserve.IsProbe(pending.Bytes))
        {
            _rescue.Watch(pending);
        }

        if (!lends)
        {
            _wake.Set();
        }
    }

    /// <summary>
    /// Answers a first command that has waited for long from the reserve, if it still waits. Looks again later at a
    /// command that the TPM has now, and may still put off. A timer's thread.
    /// </summary>
    private void AnswerFromReserve(PendingCommand pending)
    {
        Span<byte> response = stackalloc byte[TpmResponse.HeaderOnly + sizeof(ushort) + RandomReserve.LargestAnswer];
        int length;
        lock (_gate)
        {
            if (pending is { State: CommandState.Running, Count: 1 })
            {
                _rescue.Watch(pending);
                return;
            }

            bool waits = pending is { State: CommandState.Queued or CommandState.Parked, Count: 1 };
            bool mustReachTpm =
                !_profile.MayAnswerFor(TpmCc.GetRandom) || pending.Space.Owner.Group.Denied.Contains(TpmCc.GetRandom);
            if (!waits || mustReachTpm
                || !_reserve.TryAnswer(DomainUser.Of(pending.Space.Owner), pending.Bytes, response, out length))
            {
                return;
            }

            GiveUp(pending, TpmRc.Success);
        }

        pending.Space.Client.Completed(response[..length]);
        response.Clear();
    }
}
