using System.Diagnostics.CodeAnalysis;
using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>
/// The resource manager of one TPM. Openers' threads hand commands in at the <see cref="CommandQueue"/>; one thread at
/// a time takes them out and knows what the TPM holds.
/// </summary>
/// <remarks>
/// That thread is the manager's own, but for a command that comes while nothing else is to do: the opener's thread,
/// which has just handed it in, carries it out itself. <see cref="_turn"/> is held meanwhile; everything but the queue
/// belongs to who holds it.
/// </remarks>
public sealed class ResourceManager : IDisposable
{
    /// <summary>What failed once may fail at once again: the log is not to be flooded.</summary>
    private static readonly TimeSpan s_pauseAfterFault = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_shortestWait = TimeSpan.FromMilliseconds(1);

    /// <summary>How often the TPM may put a flush off when the manager ends: for 5 s in all.</summary>
    private const int MaxPutOffsAtEnd = 9;

    /// <summary>Held by the thread that is the manager's for the moment: its own, or a lent one.</summary>
    private readonly Lock _turn = new();
    private readonly HashSet<ManagedSpace> _spaces = [];
    private readonly RandomReserve _reserve = new();
    private readonly ResourceManagerOptions _options;
    private readonly TimeProvider _time;
    private readonly IResourceManagerLog _log;
    private readonly WakeSignal _wake;
    private readonly CommandQueue _queue;
    private readonly SpaceServices _services;
    private readonly TpmChannel _channel;
    private readonly TpmProfile _profile;
    private readonly ObjectResidency _objects;
    private readonly SessionTable _sessions;
    private readonly SessionFairness _fairness;
    private readonly RoomMaker _room;
    private readonly CommandRunner _runner;
    private readonly IdleWork _idleWork;
    private readonly TpmConnection _connection;
    private readonly MachineSleep _sleep;
    private readonly WorkMeter _meter;
    private readonly Func<TimeSpan> _ownTurn;
    private readonly Func<TimeSpan> _lentTurn;
    private Thread? _thread;
    private long _releasedSessions;
    private int _rawOpeners;
    private int _isDisposed;

    public ResourceManager(
        ITpmTransport transport, ResourceManagerOptions options, TimeProvider time, IResourceManagerLog log)
    {
        _options = options;
        _time = time;
        _log = log;
        _ownTurn = TakeOwnTurn;
        _lentTurn = TakeLentTurn;
        _channel = new TpmChannel(transport, time, options.CommandTimeout);
        _profile = new TpmProfile(_channel);
        _wake = new WakeSignal(time);
        _queue = new CommandQueue(_reserve, _profile, _wake, time, _channel.Cancel);
        _services = new SpaceServices(_queue, Lend, new ObjectBudget(options.ObjectsInAll));
        _objects = new ObjectResidency(_channel, time, options.ReserveObjects);
        _sessions = new SessionTable(_channel, time);
        var sessionSlots = new SessionResidency(_channel, _sessions, options.ReserveSessions);
        var power = new PowerState(_channel, _profile, _objects, _sessions, sessionSlots, _spaces, time, log);
        var capabilities = new CapabilityView(_sessions);
        var tracker = new ResponseTracker(_profile, _objects, _sessions, power, capabilities, _spaces);
        _fairness = new SessionFairness(_sessions, time);
        _room = new RoomMaker(_objects, _sessions, sessionSlots, _fairness, power, log);
        var retries = new RetryPolicy(_channel, time, _objects, MustQueueForSession);
        _meter = new WorkMeter(_channel, _objects, sessionSlots, time);
        _runner = new CommandRunner(
            _channel,
            new CommandResolver(_profile, _objects, _sessions),
            new LocalAnswers(_profile, _objects, _sessions, capabilities),
            _objects,
            _sessions,
            sessionSlots,
            power,
            tracker,
            _room,
            retries,
            new RawPassage(_channel, _profile, _sessions, power, tracker, _room, retries));
        _idleWork = new IdleWork(
            _channel, _profile, _objects, _sessions, sessionSlots, power, _room, _reserve, time, options.IdleRelease);
        _connection =
            new TpmConnection(
                _channel, _profile, _objects, _sessions, sessionSlots, power, _reserve, options, time, log);
        _sleep = new MachineSleep(_queue, _room, _connection, time);
    }

    /// <summary>What the TPM is, as far as it is known. Any thread.</summary>
    public TpmFacts Facts => _connection.Facts;

    /// <summary>Why the TPM is not there, for a person; empty while it is. Any thread.</summary>
    public string Problem => _connection.Problem;

    /// <summary>
    /// Connects to the TPM, starts it, learns what it is, and begins to serve. False with what went wrong and what to
    /// do.
    /// </summary>
    public bool TryStart(out string problem)
    {
        if (!TryPrepare(out problem))
        {
            return false;
        }

        Start();
        return true;
    }

    /// <summary>
    /// Begins to serve a TPM that could not be reached yet: it is tried again and again, and commands wait for it, or
    /// fail, as for one that was lost.
    /// </summary>
    public void Start()
    {
        _thread = new Thread(Serve) { Name = "tpm", IsBackground = true };
        _thread.Start();
    }

    public Space OpenSpace(SpaceOwner owner, ISpaceClient client) => new ManagedSpace(_services, owner, client);

    /// <summary>
    /// Opens the TPM itself. False while there is a raw opener already: it has one at a time. Managed openers go on
    /// beside it; before each raw command everything of theirs leaves the TPM.
    /// </summary>
    public bool TryOpenRaw(SpaceOwner owner, ISpaceClient client, [NotNullWhen(true)] out Space? space)
    {
        bool isFree = Interlocked.CompareExchange(ref _rawOpeners, 1, 0) == 0;
        space = isFree
            ? new ManagedSpace(_services, owner, client, isRaw: true, () => Volatile.Write(ref _rawOpeners, 0))
            : null;
        return isFree;
    }

    /// <summary>
    /// A group that nobody will open a space of any more, and whose spaces are closed: its saved sessions are flushed
    /// too.
    /// </summary>
    public void EndGroup(SchedulingGroup group) => _queue.End(group);

    /// <summary>
    /// The machine is about to sleep: lets the command that runs end, saves everything, and answers all other commands
    /// with TPM_RC_RETRY (0x000B0922) until <see cref="Resume"/>. Sends no TPM2_Shutdown: that is for who takes the
    /// TPM's power. Any thread; does not wait.
    /// </summary>
    /// <param name="saved">Called by the manager's thread when nothing is left in the TPM that would be lost.</param>
    public void Suspend(Action saved) => _sleep.Begin(saved);

    /// <summary>
    /// The machine is awake: asks the TPM what it still holds, and goes on. Any thread; does not wait.
    /// </summary>
    public void Resume() => _sleep.End();

    /// <summary>Cancels what the TPM does at this moment, where that is possible. Any thread; does not wait.</summary>
    public void CancelRunning() => _queue.CancelRunning();

    /// <summary>
    /// Cancels what runs, fails what waits, flushes everything that is held, saved sessions too, and leaves the TPM
    /// empty. Takes <see cref="ResourceManagerOptions.StopPatience"/> at the most, once. The transport is the caller's
    /// to dispose of, afterwards.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            _queue.Stop();
            _thread?.Join(_options.StopPatience);
            _queue.Dispose();
        }
    }

    /// <summary>As <see cref="TryStart"/>, but serves only when <see cref="RunOne"/> is called.</summary>
    internal bool TryPrepare(out string problem) => _connection.TryStart(out problem);

    /// <summary>
    /// Does the next thing that is to do: an opener's end, an attempt to get the TPM back, a command, idleWork.
    /// False when there is none.
    /// </summary>
    internal bool RunOne()
    {
        bool didOne = true;
        if (_queue.TryTakeClosing(out ManagedSpace? closing))
        {
            LetGo(closing);
        }
        else if (_queue.TryTakeEnded(out SchedulingGroup? ended))
        {
            _sessions.GroupGone(ended);
        }
        else if (_sleep.IsDue)
        {
            _sleep.Do();
        }
        else if (_sleep.IsWanted)
        {
            didOne = false;
        }
        else if (_connection.IsAway)
        {
            didOne = RunWithoutTpm();
        }
        else if (_queue.TryTake(out PendingCommand? next))
        {
            Execute(next);
        }
        else
        {
            didOne = IsManaging && _idleWork.TryDoOne();
        }

        TellReleased();
        return didOne;
    }

    /// <summary>How long until <see cref="RunOne"/> has something to do; null when nothing is foreseen.</summary>
    internal TimeSpan? UntilDue()
    {
        if (_sleep.IsDue || _sleep.IsWanted)
        {
            return _sleep.UntilDue;
        }

        if (_connection.IsAway)
        {
            return _connection.UntilNextTry();
        }

        TimeSpan? idleWork = IsManaging ? _idleWork.UntilDue() : null;
        TimeSpan? waiting = _queue.UntilDue();
        return waiting is null || idleWork < waiting ? idleWork : waiting;
    }

    /// <summary>There are handles to look after; a TPM 1.2 has none that could be managed.</summary>
    private bool IsManaging => _connection.Facts.Family == TpmFamily.Tpm20;

    private void Serve()
    {
        while (!_queue.IsStopping)
        {
            TimeSpan untilNext;
            lock (_turn)
            {
                untilNext = Guard(_ownTurn);
            }

            if (untilNext != TimeSpan.Zero)
            {
                _wake.Wait(untilNext);
            }
        }

        _queue.FailWaiting(SpaceFailure.Stopping, _ => true);
        lock (_turn)
        {
            Empty();
        }
    }

    /// <summary>
    /// Carries out the command that the caller has just handed in, on the caller's thread, where it is the only one.
    /// </summary>
    private void Lend()
    {
        TimeSpan untilNext = TimeSpan.Zero;
        if (_turn.TryEnter())
        {
            try
            {
                untilNext = Guard(_lentTurn);
            }
            finally
            {
                _turn.Exit();
            }
        }

        if (untilNext != Timeout.InfiniteTimeSpan)
        {
            _wake.SetWithin(untilNext);
        }
    }

    /// <summary>
    /// Takes a turn on the manager's thread or on a lent one. A bug in it is logged, and ends neither. The caller holds
    /// <see cref="_turn"/>.
    /// </summary>
    /// <returns>How long until the next turn is due; <see cref="Timeout.InfiniteTimeSpan"/> when none is.</returns>
    private TimeSpan Guard(Func<TimeSpan> turn)
    {
        try
        {
            return turn();
        }
        catch (Exception bug)
        {
            _log.Fault(bug);
            return s_pauseAfterFault;
        }
    }

    /// <summary>Takes the turn of the manager's own thread.</summary>
    private TimeSpan TakeOwnTurn()
    {
        if (RunOne())
        {
            return TimeSpan.Zero;
        }

        return UntilDue() is not { } due ? Timeout.InfiniteTimeSpan : due == TimeSpan.Zero ? s_shortestWait : due;
    }

    /// <summary>Takes the turn of a lent thread: one command, where nothing else is to do.</summary>
    private TimeSpan TakeLentTurn()
    {
        if (_sleep.IsDue || _connection.IsAway || !_queue.TryTakeOnly(out PendingCommand? next))
        {
            return TimeSpan.Zero;
        }

        Execute(next);
        TellReleased();
        return UntilDue() ?? Timeout.InfiniteTimeSpan;
    }

    private void Execute(PendingCommand pending)
    {
        _meter.Begin();
        TpmCc code = pending.Code;
        int commandLength = pending.Bytes.Length;
        _spaces.Add(pending.Space);
        CommandOutcome outcome;
        try
        {
            outcome = _runner.Run(pending);
        }
        catch (Exception bug)
        {
            _log.Fault(bug);
            outcome = CommandOutcome.Failed(SpaceFailure.Fault);
        }

        long now = _time.GetTimestamp();
        _idleWork.ClientCommand(now, isShutdown: code == TpmCc.Shutdown && _runner.HasSucceeded(outcome));
        TimeSpan busy = _meter.EndTurn(pending.Space);
        if (outcome.IsOver)
        {
            _meter.Answered(pending, _runner.Response(outcome.Length), _runner.WasDenied, busy, now);
        }

        if (_queue.Finish(pending, outcome, busy))
        {
            Deliver(pending.Space.Client, outcome, code);
        }

        _runner.Wipe(commandLength, outcome);
        if (_channel.IsUp && IsManaging)
        {
            _idleWork.AfterCommand(mayFill: !pending.Space.IsRaw);
        }
    }

    private void Deliver(ISpaceClient client, CommandOutcome outcome, TpmCc code)
    {
        if (_runner.WasDenied)
        {
            client.Denied(code);
        }

        if (outcome.Kind == CommandOutcomeKind.Answered)
        {
            client.Completed(_runner.Response(outcome.Length));
        }
        else
        {
            client.Failed(outcome.Failure);
        }
    }

    private bool RunWithoutTpm()
    {
        _connection.NoteLoss();
        if (_connection.LostFor > _options.ReconnectPatience)
        {
            _queue.FailWaiting(
                _channel.Loss, pending => _time.GetElapsedTime(pending.Submitted) > _options.ReconnectPatience);
        }

        return _connection.UntilNextTry() == TimeSpan.Zero && _connection.TryReturn();
    }

    private void TellReleased()
    {
        if (_releasedSessions != _sessions.ReleasedCount)
        {
            _queue.SessionsReleased(_sessions.ReleasedCount - _releasedSessions, _fairness.OrderOf);
            _releasedSessions = _sessions.ReleasedCount;
        }
    }

    /// <summary>
    /// Returns true when others wait for a session who come before this newcomer: those who hold as little, by what is
    /// due to them, or less.
    /// </summary>
    private bool MustQueueForSession(SpaceOwner newcomer)
    {
        SpaceOwner[] waiting = _queue.SessionWaiters;
        if (waiting.Length == 0)
        {
            return false;
        }

        Func<SpaceOwner, ShareLevel> order = _fairness.OrderOf([.. waiting, newcomer]);
        return waiting.Any(other => order(other).CompareTo(order(newcomer)) <= 0);
    }

    /// <summary>The opener is gone: what the TPM holds for it is flushed by and by.</summary>
    private void LetGo(ManagedSpace space)
    {
        space.RemoveWhere(_ => true, _objects.Doom);
        _sessions.OpenerGone(space);
        _spaces.Remove(space);
    }

    /// <summary>
    /// Flushes what the TPM holds for anybody. The TPM may put that off, or the cancellation of the command that ran
    /// last may hit it.
    /// </summary>
    private void Empty()
    {
        foreach (ManagedSpace space in _spaces.ToArray())
        {
            LetGo(space);
        }

        _sessions.DoomAll();
        for (int putOffs = 0; _channel.IsUp && _room.HasDoomed;)
        {
            TpmStepResult step = _room.FlushDoomed();
            if (step == TpmStepResult.NoRoom || putOffs == MaxPutOffsAtEnd)
            {
                return;
            }

            if (step == TpmStepResult.PutOff)
            {
                _wake.Wait(TimeLimits.Backoff(putOffs++));
            }
        }
    }
}
