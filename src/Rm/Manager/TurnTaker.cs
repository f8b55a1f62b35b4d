using TpmFs.Rm.Scheduling;

namespace TpmFs.Rm.Manager;

/// <summary>
/// Gives the manager's turn to one thread at a time: to the manager's own thread, or to an opener's thread, which
/// carries out the command that it has just handed in. Everything but the queue belongs to the thread that has the
/// turn.
/// </summary>
internal sealed class TurnTaker
{
    /// <summary>
    /// The pause after a failure. What failed once may fail again at once, and the log must not be flooded.
    /// </summary>
    private static readonly TimeSpan s_pauseAfterFault = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_shortestWait = TimeSpan.FromMilliseconds(1);

    /// <summary>A turn that has lasted this long is not expected to end in a moment.</summary>
    private static readonly TimeSpan s_longTurn = TimeSpan.FromMilliseconds(0.5);

    /// <summary>The longest that a lent thread waits for a turn that has just begun.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(1);

    private readonly Lock _turn = new();
    private readonly ManagerParts _parts;
    private readonly ManagerLoop _loop;
    private readonly Func<TimeSpan> _ownTurn;
    private readonly Func<TimeSpan> _lentTurn;

    /// <summary>The command for which the thread that has the turn is lent.</summary>
    private PendingCommand? _lender;

    /// <summary>When the turn under way began.</summary>
    private long _begun;
    private Thread? _thread;

    public TurnTaker(ManagerParts parts, ManagerLoop loop)
    {
        _parts = parts;
        _loop = loop;
        _ownTurn = TakeOwnTurn;
        _lentTurn = TakeLentTurn;
    }

    /// <summary>Starts the manager's own thread.</summary>
    public void Start()
    {
        _thread = new Thread(Serve) { Name = "tpm", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Waits for the manager's own thread to end, as it does once the queue stops.</summary>
    public void Join(TimeSpan longest) => _thread?.Join(longest);

    /// <summary>Takes the turn for good, so that no other thread gets it any more.</summary>
    /// <param name="longest">How long to wait for a command that runs.</param>
    /// <returns>False when the command still ran then, and the turn was not taken.</returns>
    public bool TryEnd(TimeSpan longest) => _turn.TryEnter(longest);

    /// <summary>
    /// Carries out the next command on the caller's thread, if threads are lent for all commands that wait.
    /// </summary>
    /// <param name="lender">The command that the caller has handed in.</param>
    public LendResult Lend(PendingCommand lender)
    {
        // Another lent thread, or the manager's own, has taken it.
        if (!lender.IsLent)
        {
            return LendResult.Nothing;
        }

        TimeSpan untilNext = TimeSpan.Zero;
        if (_turn.TryEnter() || (MayEndSoon && _turn.TryEnter(s_patience)))
        {
            try
            {
                Volatile.Write(ref _begun, _parts.Time.GetTimestamp());
                _lender = lender;
                untilNext = Guard(_lentTurn, afterFault: TimeSpan.Zero);
            }
            finally
            {
                _turn.Exit();
            }
        }

        bool hasRun = untilNext != TimeSpan.Zero;
        bool isAgain = _parts.Dispatcher.EndLend(lender, hasRun, out bool mustWake);
        if (mustWake && untilNext != Timeout.InfiniteTimeSpan)
        {
            _parts.Wake.SetWithin(untilNext);
        }

        return isAgain ? LendResult.Again : hasRun ? LendResult.Done : LendResult.Nothing;
    }

    /// <summary>
    /// True where another thread has had the turn for a moment only. A command that is left to the manager's own thread
    /// wakes that thread, and while commands keep coming the lent threads would never get the turn back.
    /// </summary>
    private bool MayEndSoon => _parts.Time.GetElapsedTime(Volatile.Read(ref _begun)) < s_longTurn;

    private void Serve()
    {
        while (!_parts.Dispatcher.IsStopping)
        {
            TimeSpan untilNext;
            lock (_turn)
            {
                Volatile.Write(ref _begun, _parts.Time.GetTimestamp());
                untilNext = Guard(_ownTurn, s_pauseAfterFault);
            }

            if (untilNext != TimeSpan.Zero)
            {
                _parts.Wake.Wait(untilNext);
            }
        }

        _parts.Queue.FailWaiting(SpaceFailure.Stopping, _ => true);
        lock (_turn)
        {
            _loop.Empty();
        }
    }

    /// <summary>
    /// Takes a turn. Logs a bug in the turn, and lets the thread go on. The caller holds <see cref="_turn"/>.
    /// </summary>
    /// <returns>How long until the next turn is due; <see cref="Timeout.InfiniteTimeSpan"/> when none is.</returns>
    private TimeSpan Guard(Func<TimeSpan> turn, TimeSpan afterFault)
    {
        try
        {
            return turn();
        }
        catch (Exception bug)
        {
            _parts.Log.Fault(bug);
            return afterFault;
        }
    }

    /// <summary>Takes the turn of the manager's own thread.</summary>
    private TimeSpan TakeOwnTurn()
    {
        if (_loop.RunOne())
        {
            return TimeSpan.Zero;
        }

        return _loop.UntilDue() is not { } due
            ? Timeout.InfiniteTimeSpan : due == TimeSpan.Zero ? s_shortestWait : due;
    }

    /// <summary>Takes the turn of a lent thread: carries out one command, if there is no other work.</summary>
    private TimeSpan TakeLentTurn() =>
        _loop.TryRunLent(_lender!) ? _loop.UntilDue() ?? Timeout.InfiniteTimeSpan : TimeSpan.Zero;
}
