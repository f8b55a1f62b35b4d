using TpmFs.Rm.Channel;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Takes commands, cancellations and closes from openers' threads, and answers commands that do not get to run. The
/// <see cref="Dispatcher"/> hands the others to the manager.
/// </summary>
/// <remarks>
/// <see cref="_gate"/> guards the scheduler, the state of every <see cref="PendingCommand"/> and the dispatcher. It is
/// held for moments only. No client is called under it, and of the TPM only the cancellation, which does not block.
/// </remarks>
internal sealed class CommandQueue : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Scheduler _scheduler;
    private readonly RandomReserve _reserve;
    private readonly TpmProfile _profile;
    private readonly ProbeRescue _rescue;
    private readonly WakeSignal _wake;
    private readonly TimeProvider _time;

    /// <param name="wake">Set when the manager's thread has something to do.</param>
    /// <param name="cancelRunning">Cancels what the TPM is doing; must not block.</param>
    public CommandQueue(
        RandomReserve reserve, TpmProfile profile, WakeSignal wake, TimeProvider time, Action cancelRunning)
    {
        _reserve = reserve;
        _profile = profile;
        _wake = wake;
        _time = time;
        _scheduler = new Scheduler(time);
        Dispatcher = new CommandDispatcher(_gate, _scheduler, wake, cancelRunning);
        _rescue = new ProbeRescue(time, AnswerFromReserve);
    }

    /// <summary>Hands what was queued to the manager.</summary>
    public CommandDispatcher Dispatcher { get; }

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
            (isTooLate, isHeld) = (Dispatcher.IsStopping, Dispatcher.IsHeld);
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

            if (pending.State == CommandState.Running)
            {
                Dispatcher.CancelRunning(pending);
                return;
            }

            GiveUp(pending, TpmRc.Canceled);
        }

        Answer(pending, TpmRc.Canceled);
    }

    /// <summary>Begins no command until <see cref="Release"/>; commands get TPM_RC_RETRY meanwhile.</summary>
    public void Hold()
    {
        Dispatcher.SetHeld(true);
        GiveBackWaiting();
    }

    /// <summary>Lets commands go on after <see cref="Hold"/>.</summary>
    public void Release() => Dispatcher.SetHeld(false);

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
                Dispatcher.CancelRunning(pending);
            }
            else if (pending.State != CommandState.Idle)
            {
                _scheduler.Remove(pending);
                pending.Drop();
            }

            Dispatcher.Close(pending.Space);
            return true;
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

    public void Dispose() => _rescue.Dispose();

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
                || !_reserve.TryAnswer(pending.Space.Owner, pending.Bytes, response, out length))
            {
                return;
            }

            GiveUp(pending, TpmRc.Success);
        }

        pending.Space.Client.Completed(response[..length]);
        response.Clear();
    }
}
