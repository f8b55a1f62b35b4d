using System.Diagnostics.CodeAnalysis;
using TpmFs.Rm.Channel;
using TpmFs.Rm.Sessions;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Where openers' threads hand commands in, cancel them and leave, and the manager's thread takes them out.
/// </summary>
/// <remarks>
/// <see cref="_gate"/> guards the scheduler, the state of every <see cref="PendingCommand"/>, the spaces that close and
/// what runs. It is held for moments only, and never while a client or the TPM is called, but for the cancellation,
/// which does not block.
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

    /// <param name="wake">Set when the manager's thread has something to look after.</param>
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
            lock (_gate)
            {
                return _isStopping;
            }
        }
    }

    /// <summary>The owners of the spaces whose commands wait for a session; one for each command.</summary>
    public SpaceOwner[] SessionWaiters
    {
        get
        {
            lock (_gate)
            {
                return _scheduler.SessionWaiters;
            }
        }
    }

    /// <summary>
    /// Hands a command in. False when one is under way, or the opener is gone. One that comes while the manager stops
    /// fails, and one that comes while commands are held is given back.
    /// </summary>
    /// <param name="lends">The caller will offer its own thread for it: the manager's is not woken.</param>
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
            FailWaiting(SpaceFailure.Stopping, static _ => true); // all that waits fails so
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

    /// <summary>
    /// From now on no command is begun, until <see cref="Release"/>: those that wait or come are given back.
    /// </summary>
    public void Hold()
    {
        lock (_gate)
        {
            _isHeld = true;
            _wake.Set();
        }

        GiveBackWaiting();
    }

    /// <summary>Commands go on.</summary>
    public void Release()
    {
        lock (_gate)
        {
            _isHeld = false;
            _wake.Set();
        }
    }

    /// <summary>Cancels what runs, whoever's it is.</summary>
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

    /// <summary>
    /// Answers all commands that do not run with TPM_RC_RETRY, the TPM's word for one that it could not start.
    /// </summary>
    public void GiveBackWaiting()
    {
        foreach (PendingCommand pending in TakeWaiting(_ => true, TpmRc.Retry))
        {
            Answer(pending, TpmRc.Retry);
        }
    }

    /// <summary>The command's opener is gone. False when it was before.</summary>
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

    /// <summary>The group is gone; its spaces were closed before.</summary>
    public void End(SchedulingGroup group)
    {
        lock (_gate)
        {
            _ended.Enqueue(group);
            _wake.Set();
        }
    }

    /// <summary>No more commands are taken; the running one is cancelled.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _isStopping = true;
            CancelRunning();
            _wake.Set();
        }
    }

    /// <summary>A space whose opener is gone; its last command is over.</summary>
    public bool TryTakeClosing([NotNullWhen(true)] out ManagedSpace? closing)
    {
        lock (_gate)
        {
            return _closing.TryDequeue(out closing);
        }
    }

    /// <summary>A group that is gone.</summary>
    public bool TryTakeEnded([NotNullWhen(true)] out SchedulingGroup? ended)
    {
        lock (_gate)
        {
            return _ended.TryDequeue(out ended);
        }
    }

    /// <summary>
    /// The next command to run; it is the caller's until <see cref="Finish"/>. None once the queue stops.
    /// </summary>
    public bool TryTake([NotNullWhen(true)] out PendingCommand? next)
    {
        lock (_gate)
        {
            next = TakeNext();
            return next is not null;
        }
    }

    /// <summary>
    /// As <see cref="TryTake"/>, for a lent thread: none where no thread is lent for a command, or an opener left.
    /// </summary>
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
    /// The command that was taken has been run. True when it is over and somebody wants its answer; one that is not
    /// over is kept, to be taken again.
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

    /// <summary>Tries as many of the commands that wait for a session again as the TPM got sessions back.</summary>
    /// <param name="order">Tells who comes first among those who wait; must not block.</param>
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

    /// <summary>How long until a command that waits is due; null when none waits for a time.</summary>
    public TimeSpan? UntilDue()
    {
        lock (_gate)
        {
            return _scheduler.UntilDue();
        }
    }

    public void Dispose() => _rescue.Dispose();

    /// <summary>Under the gate.</summary>
    private PendingCommand? TakeNext() =>
        _running = !_isStopping && !_isHeld && _scheduler.TryTake(out PendingCommand taken) ? taken : null;

    /// <summary>Takes commands that do not run out of wherever they wait; the answer is the caller's to give.</summary>
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

    /// <summary>A command is answered that was not run. Under the gate.</summary>
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
    /// A first command has waited for long: answers it from the reserve, if it still waits. One that the TPM has at
    /// this moment may yet be put off, and is looked at again. A timer's thread.
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
