using System.Diagnostics.CodeAnalysis;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>
/// The resource manager of one TPM. Openers' threads put commands into the scheduler; one thread takes them out, one at a time, and is
/// the only one that knows what the TPM holds.
/// </summary>
/// <remarks>
/// <see cref="_gate"/> guards the scheduler, the state of every <see cref="PendingCommand"/>, the closing spaces and what runs. It is held
/// for moments only and never while a client or the TPM is called, but for <see cref="TpmChannel.Cancel"/>, which does not block.
/// </remarks>
public sealed class ResourceManager : IDisposable
{
    private static readonly TimeSpan s_joinTimeout = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly AutoResetEvent _wake = new(false);
    private readonly Queue<ManagedSpace> _closing = [];
    private readonly HashSet<ManagedSpace> _spaces = [];
    private readonly ResourceManagerOptions _options;
    private readonly TimeProvider _time;
    private readonly IResourceManagerLog _log;
    private readonly TpmChannel _channel;
    private readonly TpmProfile _profile;
    private readonly ObjectResidency _objects;
    private readonly SessionTable _sessions;
    private readonly CommandRunner _runner;
    private readonly Housekeeping _housekeeping;
    private readonly TpmKeeper _keeper;
    private readonly RandomReserve _reserve = new();
    private readonly Scheduler _scheduler;
    private readonly ProbeRescue _rescue;
    private Thread? _thread;
    private PendingCommand? _running;
    private bool _isStopping;

    public ResourceManager(ITpmTransport transport, ResourceManagerOptions options, TimeProvider time, IResourceManagerLog log)
    {
        _options = options;
        _time = time;
        _log = log;
        _channel = new TpmChannel(transport, time);
        _profile = new TpmProfile(_channel);
        _objects = new ObjectResidency(_channel, options.ReserveObjects);
        _sessions = new SessionTable(_channel, time, options.ReserveSessions);
        var power = new PowerState(_channel, _objects, _sessions, _spaces, log);
        var capabilities = new CapabilityView(_sessions);
        _scheduler = new Scheduler(time);
        _runner = new CommandRunner(
            _channel,
            new CommandResolver(_profile, _sessions),
            new LocalAnswers(_profile, _objects, _sessions, capabilities),
            _objects,
            _sessions,
            power,
            new ResponseTracker(_profile, _objects, _sessions, power, capabilities, _spaces),
            new RoomMaker(_objects, _sessions, log),
            new Patience(time, _objects, OthersWaitForSession));
        _housekeeping = new Housekeeping(_channel, _profile, _objects, _sessions, power, _reserve, time, options.IdleRelease);
        _keeper = new TpmKeeper(_channel, _profile, _objects, _sessions, power, _reserve, options, time, log);
        _rescue = new ProbeRescue(time, AnswerFromReserve);
    }

    /// <summary>The largest command that the TPM takes, in bytes: TPM_PT_MAX_COMMAND_SIZE, at least 4096.</summary>
    public int MaxCommandSize => _profile.MaxCommandSize;

    /// <summary>The largest response, in bytes: TPM_PT_MAX_RESPONSE_SIZE, at least 4096.</summary>
    public int MaxResponseSize => _profile.MaxResponseSize;

    /// <summary>Connects to the TPM, starts it, learns what it is, and begins to serve. False with what went wrong and what to do.</summary>
    public bool TryStart(out string problem)
    {
        if (!TryPrepare(out problem))
        {
            return false;
        }

        _thread = new Thread(Serve) { Name = "tpm", IsBackground = true };
        _thread.Start();
        return true;
    }

    public Space OpenSpace(SpaceOwner owner, ISpaceClient client) => new ManagedSpace(this, owner, client);

    /// <summary>Ends what runs, fails what waits, flushes what is held, and gives the TPM back. Bounded by 10 s.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isStopping)
            {
                return;
            }

            _isStopping = true;
            if (_running is not null)
            {
                _running.IsCanceled = true;
                _channel.Cancel();
            }
        }

        _wake.Set();
        _rescue.Dispose();
        if (_thread is null || _thread.Join(s_joinTimeout))
        {
            _wake.Dispose();
        }
    }

    /// <summary>As <see cref="TryStart"/>, but serves only when <see cref="RunOne"/> is called.</summary>
    internal bool TryPrepare(out string problem) => _keeper.TryStart(out problem);

    internal bool Submit(PendingCommand pending, ReadOnlySpan<byte> command)
    {
        lock (_gate)
        {
            if (_isStopping || pending.IsClosed || pending.State != CommandState.Idle)
            {
                return false;
            }

            bool isBusy = _running is not null || _scheduler.HasRunnable || _keeper.LostFor is not null;
            pending.Take(command, _time.GetTimestamp());
            _scheduler.Enqueue(pending);
            if (isBusy && pending.Count == 1 && RandomReserve.IsProbe(pending.Bytes))
            {
                _rescue.Watch(pending);
            }
        }

        _wake.Set();
        return true;
    }

    internal void Cancel(PendingCommand pending)
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
                _channel.Cancel();
                return;
            }

            _scheduler.Remove(pending);
            pending.Drop();
        }

        Span<byte> response = stackalloc byte[TpmResponse.HeaderOnly];
        TpmResponse.Write(response, TpmRc.FromResourceManager(TpmRc.Canceled));
        pending.Space.Client.Completed(response);
    }

    internal void Close(PendingCommand pending)
    {
        lock (_gate)
        {
            if (pending.IsClosed)
            {
                return;
            }

            pending.IsClosed = true;
            if (pending.State == CommandState.Running)
            {
                pending.IsCanceled = true;
                _channel.Cancel();
            }
            else if (pending.State != CommandState.Idle)
            {
                _scheduler.Remove(pending);
                pending.Drop();
            }

            _closing.Enqueue(pending.Space);
        }

        _wake.Set();
    }

    /// <summary>Does the next thing that is to do: an opener's end, a command, an attempt to get the TPM back, housekeeping. False when there is none.</summary>
    internal bool RunOne()
    {
        if (TryTakeClosing(out ManagedSpace? closing))
        {
            LetGo(closing);
            return true;
        }

        if (!_channel.IsUp)
        {
            return RunWithoutTpm();
        }

        PendingCommand? next = null;
        lock (_gate)
        {
            if (_scheduler.TryTake(out PendingCommand taken))
            {
                next = taken;
                _running = taken;
            }
        }

        if (next is null)
        {
            return _housekeeping.TryDoOne();
        }

        Execute(next);
        return true;
    }

    /// <summary>How long until <see cref="RunOne"/> has something to do; null when nothing is foreseen.</summary>
    internal TimeSpan? UntilDue()
    {
        if (!_channel.IsUp)
        {
            return _keeper.UntilNextTry();
        }

        TimeSpan? housekeeping = _housekeeping.UntilDue();
        lock (_gate)
        {
            TimeSpan? parked = _scheduler.UntilDue();
            return parked is null || housekeeping < parked ? housekeeping : parked;
        }
    }

    /// <summary>Lets go of everything the TPM holds for anybody.</summary>
    internal void Empty()
    {
        foreach (ManagedSpace space in _spaces.ToArray())
        {
            LetGo(space);
        }

        _sessions.DoomAll();
        while (_channel.IsUp && (_objects.HasDoomed || _sessions.HasDoomed))
        {
            _ = _objects.HasDoomed ? _objects.FlushDoomed() : _sessions.FlushDoomed();
        }
    }

    private void Serve()
    {
        while (!Volatile.Read(ref _isStopping))
        {
            if (!RunOne())
            {
                TimeSpan wait = UntilDue() ?? Timeout.InfiniteTimeSpan;
                _wake.WaitOne(wait == TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : wait);
            }
        }

        FailWaiting(SpaceFailure.Stopping, _ => true);
        Empty();
    }

    private void Execute(PendingCommand pending)
    {
        TimeSpan busy = _channel.Busy;
        long released = _sessions.ReleasedCount;
        TpmCc code = pending.Code;
        int commandLength = pending.Bytes.Length;
        _spaces.Add(pending.Space);
        Verdict verdict;
        try
        {
            verdict = _runner.Run(pending);
        }
        catch (Exception bug)
        {
            _log.Fault(bug);
            verdict = Verdict.Failed(SpaceFailure.Stopping);
        }

        _housekeeping.ClientCommand(code);
        bool isOver;
        bool isWanted;
        lock (_gate)
        {
            _running = null;
            _scheduler.Served(pending, _channel.Busy - busy);
            isOver = !TryKeep(pending, verdict);
            isWanted = isOver && !pending.IsClosed;
            for (; released < _sessions.ReleasedCount; released++)
            {
                _scheduler.SessionReleased();
            }
        }

        if (isWanted)
        {
            Deliver(pending.Space.Client, verdict);
        }

        if (isOver)
        {
            _runner.Wipe(Math.Max(commandLength, verdict.Length));
        }

        if (_channel.IsUp)
        {
            _housekeeping.FlushOneDoomed();
        }
    }

    /// <summary>Keeps a command that is not over, unless nobody wants it any more; drops one that is. Under the gate.</summary>
    private bool TryKeep(PendingCommand pending, Verdict verdict)
    {
        bool isOver = verdict.Kind is VerdictKind.Answered or VerdictKind.Failed || pending.IsClosed;
        if (isOver)
        {
            pending.Drop();
            return false;
        }

        switch (verdict.Kind)
        {
            case VerdictKind.WhenTpmIsBack:
                _scheduler.Enqueue(pending);
                break;
            case VerdictKind.WhenSessionIsReleased:
                _scheduler.ParkForSession(pending, verdict.Delay);
                break;
            default:
                _scheduler.Park(pending, pending.IsCanceled ? TimeSpan.Zero : verdict.Delay);
                break;
        }

        return true;
    }

    private void Deliver(ISpaceClient client, Verdict verdict)
    {
        if (verdict.Kind == VerdictKind.Answered)
        {
            client.Completed(_runner.Response(verdict.Length));
        }
        else
        {
            client.Failed(verdict.Failure);
        }
    }

    private bool RunWithoutTpm()
    {
        _keeper.NoteLoss();
        if (_keeper.LostFor > _options.ReconnectPatience)
        {
            FailWaiting(SpaceFailure.TransportLost, pending => _time.GetElapsedTime(pending.Submitted) > _options.ReconnectPatience);
        }

        return _keeper.UntilNextTry() == TimeSpan.Zero && _keeper.TryReturn();
    }

    private void FailWaiting(SpaceFailure failure, Func<PendingCommand, bool> whether)
    {
        PendingCommand[] failed;
        lock (_gate)
        {
            failed = _scheduler.Waiting.Where(whether).ToArray();
            foreach (PendingCommand pending in failed)
            {
                _scheduler.Remove(pending);
                pending.Drop();
            }
        }

        foreach (PendingCommand pending in failed)
        {
            pending.Space.Client.Failed(failure);
        }
    }

    /// <summary>A first command has waited for long: answers it from the reserve, if it still waits. A timer's thread.</summary>
    private void AnswerFromReserve(PendingCommand pending)
    {
        Span<byte> response = stackalloc byte[64];
        int length;
        lock (_gate)
        {
            bool waits = pending is { State: CommandState.Queued or CommandState.Parked, Count: 1 };
            if (!waits || !_reserve.TryAnswer(pending.Bytes, response, out length))
            {
                return;
            }

            _scheduler.Remove(pending);
            pending.Drop();
        }

        pending.Space.Client.Completed(response[..length]);
        response.Clear();
    }

    private bool OthersWaitForSession()
    {
        lock (_gate)
        {
            return _scheduler.HasSessionWaiters;
        }
    }

    private bool TryTakeClosing([NotNullWhen(true)] out ManagedSpace? closing)
    {
        lock (_gate)
        {
            return _closing.TryDequeue(out closing);
        }
    }

    /// <summary>The opener is gone: what the TPM holds for it is flushed by and by.</summary>
    private void LetGo(ManagedSpace space)
    {
        space.RemoveWhere(_ => true, _objects.Doom);
        _sessions.OpenerGone(space);
        _spaces.Remove(space);
    }
}
