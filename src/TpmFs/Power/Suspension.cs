using Serilog;

namespace TpmFs.Power;

/// <summary>
/// The sleep of the machine, for all TPMs. Before the sleep every TPM is saved, and until the machine is awake no
/// client is kept waiting for one. Any thread.
/// </summary>
/// <remarks>
/// The lock guards all fields, and puts suspending and resuming in one order. Replies are called without it. Times are
/// of a clock that stands still while the machine sleeps.
/// </remarks>
internal sealed class Suspension(IReadOnlyList<ISuspendable> tpms, TimeProvider time, ILogger log) : IDisposable
{
    /// <summary>The time for which a running command may go on before it is cancelled.</summary>
    public static readonly TimeSpan UntilCancel = TimeSpan.FromSeconds(10);

    /// <summary>The longest wait of a program that suspends: a command that cannot be cancelled runs on.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The time after which commands go on if the machine neither sleeps nor reports that it is awake.
    /// </summary>
    public static readonly TimeSpan UntilAwake = TimeSpan.FromSeconds(90);

    private readonly Lock _gate = new();
    private readonly List<Action<SleepState>> _waiting = [];
    private ITimer? _timer;
    private SleepState _state;
    private int _sleep; // counts them
    private int _unsaved;
    private bool _isOverdue;

    /// <summary>Gets the stage of the machine's sleep.</summary>
    public SleepState State
    {
        get
        {
            lock (_gate)
            {
                return _state;
            }
        }
    }

    /// <summary>
    /// Suspends; commands under way go on. From here on commands that have not begun are answered with TPM_RC_RETRY.
    /// </summary>
    public void Begin()
    {
        lock (_gate)
        {
            if (_state != SleepState.Awake)
            {
                return;
            }

            int begun = ++_sleep;
            _state = SleepState.Suspending;
            _unsaved = tpms.Count;
            _isOverdue = false;
            Arm(Due.Cancel, UntilCancel);
            foreach (ISuspendable tpm in tpms)
            {
                tpm.Suspend(() => Saved(begun));
            }
        }
    }

    /// <summary>Lets commands go on.</summary>
    public void End()
    {
        Action<SleepState>[] told;
        lock (_gate)
        {
            if (_state == SleepState.Awake)
            {
                return;
            }

            _state = SleepState.Awake;
            _timer?.Dispose();
            _timer = null;
            told = TakeWaiting();
            foreach (ISuspendable tpm in tpms)
            {
                tpm.Resume();
            }
        }

        Tell(told, SleepState.Awake);
        log.Information("awake: commands go on");
    }

    /// <summary>Tells the state: at once, or when the commands under way are done.</summary>
    /// <returns>
    /// The registration of the wait, with which it can be stopped. False when the state was told at once.
    /// </returns>
    public Func<bool> WhenSettled(Action<SleepState> tell)
    {
        SleepState now;
        lock (_gate)
        {
            now = _state;
            if (now == SleepState.Suspending && !_isOverdue)
            {
                _waiting.Add(tell);
                return () =>
                {
                    lock (_gate)
                    {
                        return _waiting.Remove(tell);
                    }
                };
            }
        }

        tell(now);
        return () => false;
    }

    public void Dispose() => End();

    private void Saved(int begun)
    {
        Action<SleepState>[] told;
        lock (_gate)
        {
            if (begun != _sleep || _state != SleepState.Suspending || --_unsaved > 0)
            {
                return;
            }

            _state = SleepState.Suspended;
            told = TakeWaiting();
        }

        Tell(told, SleepState.Suspended);
        log.Information("suspended: everything is saved; commands get TPM_RC_RETRY until the resume");
    }

    /// <summary>Does the work that falls due while the machine neither sleeps nor reports that it is awake.</summary>
    private void Overdue(int begun, Due due)
    {
        Action<SleepState>[] told = [];
        lock (_gate)
        {
            if (begun != _sleep || _state == SleepState.Awake)
            {
                return;
            }

            switch (due)
            {
                case Due.Cancel:
                    Arm(Due.Tell, LongestWait - UntilCancel);
                    break;
                case Due.Tell:
                    Arm(Due.Wake, UntilAwake - LongestWait);
                    _isOverdue = true;
                    told = TakeWaiting();
                    break;
            }

            if (due == Due.Cancel && _state == SleepState.Suspending)
            {
                foreach (ISuspendable tpm in tpms)
                {
                    tpm.CancelRunning();
                }
            }
        }

        Tell(told, SleepState.Suspending);
        if (due == Due.Wake)
        {
            log.Warning(
                "no 'tpmfs resume' came within {Time} s of 'tpmfs suspend'; tpmfs resumes by itself",
                (int)UntilAwake.TotalSeconds);
            End();
        }
    }

    /// <summary>Under the lock.</summary>
    private void Arm(Due due, TimeSpan after)
    {
        int begun = _sleep;
        _timer?.Dispose();
        _timer = time.CreateTimer(_ => Overdue(begun, due), null, after, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Under the lock.</summary>
    private Action<SleepState>[] TakeWaiting()
    {
        Action<SleepState>[] taken = [.. _waiting];
        _waiting.Clear();
        return taken;
    }

    private static void Tell(Action<SleepState>[] told, SleepState state) => Array.ForEach(told, tell => tell(state));

    private enum Due
    {
        Cancel,
        Tell,
        Wake,
    }
}

/// <summary>The stages of the machine's sleep, as the power file shows them.</summary>
internal enum SleepState
{
    Awake,

    /// <summary>A command still runs, or a TPM is being saved.</summary>
    Suspending,

    Suspended,
}

/// <summary>A TPM whose commands can be put off. Its methods do not wait.</summary>
internal interface ISuspendable
{
    /// <summary>True when an earlier daemon has put commands off, and no program has resumed since.</summary>
    bool IsSuspended => false;

    /// <summary>
    /// Puts commands off. Calls <paramref name="saved"/> when everything is saved, from any thread but not before this
    /// returns.
    /// </summary>
    void Suspend(Action saved);

    void Resume();

    /// <summary>Cancels the running command, where that is possible.</summary>
    void CancelRunning();
}
