using System.Buffers.Binary;
using TpmFs.Tpm;

namespace TpmFs.Simulation;

/// <summary>
/// A TPM in memory behind the transport that a resource manager uses. Deterministic, without threads: latencies are
/// told to <see cref="Wait"/>, faults and warnings come as scripted. All but <see cref="Cancel"/> belong to one thread.
/// </summary>
internal sealed class SimulatedTpm : ITpmTransport
{
    private readonly SessionTable _sessions;
    private readonly TpmCore _core;
    private readonly byte[] _unread = new byte[64 * 1024];
    private volatile bool _isCancelled;
    private Action? _sent;
    private byte[]? _taken;
    private byte _takenLocality;
    private int _unreadLength;
    private bool _isConnected;

    public SimulatedTpm(TpmParameters? parameters = null)
    {
        Parameters = parameters ?? new TpmParameters();
        State = new TpmState(Parameters);
        _sessions = new SessionTable(Parameters.SessionSlots, Parameters.ActiveSessionsMax, Parameters.ContextGap);
        _core = new TpmCore(
            Parameters, State, new ObjectSlots(Parameters.ObjectSlots, Parameters.ReusesObjectHandles), _sessions);
    }

    public TpmParameters Parameters { get; }

    /// <summary>Everything that is not a loaded object or a session.</summary>
    public TpmState State { get; }

    public TpmTransportFeatures Features { get; set; } = new(CanCancel: true, HighestLocality: 4);

    /// <summary>Gets the script of faults.</summary>
    public FaultScript Faults { get; } = new();

    /// <summary>Gets the log of executed commands.</summary>
    public CommandLog Log { get; } = new();

    /// <summary>
    /// Gets or sets the duration of a command, by its code; nothing takes any time when this is null.
    /// </summary>
    public Func<uint, TimeSpan>? Latency { get; set; }

    /// <summary>
    /// Lets a latency pass: advances a manual clock, or blocks. May call <see cref="Cancel"/>, or let somebody do it.
    /// </summary>
    public Action<TimeSpan>? Wait { get; set; }

    /// <summary>
    /// Gets or sets the effect of a cancel: true, TPM_RC_CANCELED; false, the command still succeeds.
    /// </summary>
    public bool CancelTakesEffect { get; set; } = true;

    /// <summary>Cancels that came.</summary>
    public int Cancels { get; private set; }

    /// <summary>Gets the number of connections so far.</summary>
    public int Connections { get; private set; }

    /// <summary>
    /// What happens at each moment of an exchange at which a process that uses the TPM may die, by throwing: the TPM
    /// has no command yet, it has the command, its response is ready, its response was received.
    /// </summary>
    public Action? MayDie { get; set; }

    /// <summary>While false, a connection ends with the process that has it.</summary>
    public bool IsKept { get; set; } = true;

    /// <summary>While false, nobody can connect.</summary>
    public bool IsReachable { get; set; } = true;

    public IReadOnlyList<uint> TransientHandles => [.. _core.Objects.LoadedHandles];

    /// <summary>The loaded sessions, with their own type byte.</summary>
    public IReadOnlyList<uint> LoadedSessions => [.. _sessions.LoadedHandles()];

    /// <summary>The saved sessions, with the type byte of an HMAC session, as the TPM lists them.</summary>
    public IReadOnlyList<uint> SavedSessions => [.. _sessions.SavedHandles()];

    public int ActiveSessions => _sessions.ActiveCount;

    public int PeakTransientObjects => _core.Objects.Peak;

    public int PeakActiveSessions => _sessions.ActivePeak;

    /// <summary>Gets the time limit of the last command's response.</summary>
    public TimeSpan LastLimit { get; private set; }

    /// <summary>The counter that session contexts are numbered with; settable, to begin near its end.</summary>
    public ulong ContextCounter
    {
        get => _sessions.ContextCounter;
        set => _sessions.ContextCounter = value;
    }

    public bool TryConnect(TimeSpan timeout, out string problem)
    {
        problem = IsReachable ? string.Empty : "The simulated TPM is set unreachable.";
        _isConnected = IsReachable;
        Connections += IsReachable ? 1 : 0;
        return IsReachable;
    }

    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
    {
        if (!_isConnected)
        {
            return new TransmitResult(TransmitStatus.Disconnected, 0, "The simulated TPM was not connected to.");
        }

        if (locality > Features.HighestLocality)
        {
            return new TransmitResult(
                TransmitStatus.LocalityRefused, 0, $"The simulated TPM has no locality {locality}.");
        }

        MayDie?.Invoke();
        _isCancelled = false;
        LastLimit = timeout;
        Log.Add(command.Span);
        Fault fault = Faults.Next(CommandLog.CodeOf(command.Span));
        if (fault is { Status: not null, Executes: false })
        {
            return Fail(fault);
        }

        (_taken, _takenLocality) = (MayDie is null ? null : command.ToArray(), locality);
        MayDie?.Invoke();
        _sent?.Invoke();
        _taken = null;
        ReadOnlySpan<byte> answer =
            fault.Code != Rc.Success ? Bare(fault.Code) : Execute(command.Span, locality, timeout);
        if (fault.Status is not null)
        {
            return Fail(fault);
        }

        if (answer.IsEmpty || answer.Length > response.Length)
        {
            _isConnected = false;
            return new TransmitResult(
                answer.IsEmpty ? TransmitStatus.TimedOut : TransmitStatus.Disconnected, 0,
                "No response of the simulated TPM.");
        }

        answer.CopyTo(_unread);
        _unreadLength = answer.Length;
        MayDie?.Invoke();
        TransmitResult result = Receive(response);
        MayDie?.Invoke();
        return result;
    }

    public void WhenSent(Action sent) => _sent = sent;

    public TransmitResult FinishExchange(bool wasSent, Memory<byte> response, TimeSpan timeout)
    {
        if (!IsKept)
        {
            (_taken, _unreadLength, _isConnected) = (null, 0, false);
            return new TransmitResult(TransmitStatus.Disconnected, 0, "The simulated TPM was connected to anew.");
        }

        if (_taken is { } taken)
        {
            _taken = null;
            ReadOnlySpan<byte> answer = _core.Execute(taken, _takenLocality);
            answer.CopyTo(_unread);
            _unreadLength = answer.Length;
        }

        if (_unreadLength > 0)
        {
            MayDie?.Invoke();
            return Receive(response);
        }

        int received = BinaryPrimitives.ReadInt32BigEndian(response.Span[2..]);
        if (received > 0)
        {
            return new TransmitResult(TransmitStatus.Ok, received);
        }

        return wasSent
            ? throw new InvalidOperationException("A command that was sent is neither executed nor answered.")
            : new TransmitResult(TransmitStatus.NotSent, 0, "The simulated TPM has had no command.");
    }

    public void Cancel()
    {
        Cancels++;
        _isCancelled = true;
    }

    /// <summary>
    /// _TPM_Init: the power goes and comes, and the TPM waits for a Startup. Without a Shutdown before it, that will be
    /// a reset.
    /// </summary>
    public void PowerCycle() => _core.Init();

    /// <summary>A TPM Reset that the firmware sees through: what was saved is worth nothing any more.</summary>
    public void Reset() => Restart(shutdownState: null, startupState: false);

    /// <summary>
    /// A TPM Restart (hibernation) that the firmware sees through: saved contexts load, but those of stClear objects.
    /// </summary>
    public void Restart() => Restart(shutdownState: true, startupState: false);

    /// <summary>A TPM Resume (suspend to RAM) that the firmware sees through: all saved contexts load.</summary>
    public void Resume() => Restart(shutdownState: true, startupState: true);

    /// <summary>
    /// Executes a command that does not come through the transport: the firmware's, or a test's own look. It is not
    /// counted.
    /// </summary>
    public byte[] Direct(ReadOnlySpan<byte> command, byte locality = 0) => _core.Execute(command, locality).ToArray();

    public void Dispose() => _isConnected = false;

    private static ReadOnlySpan<byte> Bare(uint code) => new ByteWriter().U16(0x8001).U32(10).U32(code).Written;

    /// <summary>
    /// Empty when the response comes too late for whoever waits; the command has had its effect, or was cancelled, all
    /// the same.
    /// </summary>
    private ReadOnlySpan<byte> Execute(ReadOnlySpan<byte> command, byte locality, TimeSpan timeout)
    {
        TimeSpan latency = Latency?.Invoke(CommandLog.CodeOf(command)) ?? TimeSpan.Zero;
        if (latency <= TimeSpan.Zero)
        {
            return _core.Execute(command, locality);
        }

        bool isLate = latency > timeout;
        Wait?.Invoke(isLate ? timeout : latency);
        bool isCancelled = (_isCancelled || isLate) && Features.CanCancel && CancelTakesEffect;
        ReadOnlySpan<byte> answer = isCancelled ? Bare(Rc.Canceled) : _core.Execute(command, locality);
        return isLate ? default : answer;
    }

    private TransmitResult Receive(Memory<byte> response)
    {
        _unread.AsMemory(0, _unreadLength).CopyTo(response);
        int length = _unreadLength;
        _unreadLength = 0;
        return new TransmitResult(TransmitStatus.Ok, length);
    }

    private TransmitResult Fail(Fault fault)
    {
        _isConnected = fault.Status == TransmitStatus.CommandRefused;
        fault.Then?.Invoke();
        return new TransmitResult(fault.Status!.Value, 0, "As scripted.");
    }

    private void Restart(bool? shutdownState, bool startupState)
    {
        if (shutdownState is { } state)
        {
            Direct(Cmd.Shutdown(state));
        }

        _core.Init();
        Direct(Cmd.Startup(startupState));
    }
}
