using TpmFs.Rm.Ledger;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Channel;

/// <summary>Says how one of the manager's own commands ended.</summary>
/// <param name="Answered">False when the TPM, or the way to it, is lost.</param>
internal readonly record struct OwnResult(bool Answered, TpmRc Code)
{
    public bool Succeeded => Answered && Code.IsSuccess;
}

/// <summary>
/// Sends commands through the transport: clients' commands as they are, and the manager's own few commands. Each of
/// them is in the mirror before it is sent, and its response is received there. Used by the manager's thread alone,
/// except for <see cref="Cancel"/>.
/// </summary>
internal sealed class TpmChannel
{
    private const int SmallCommand = 64;

    /// <summary>The shortest time limit for the response to a command of the last manager.</summary>
    private static readonly TimeSpan s_shortestLimit = TimeSpan.FromSeconds(5);

    private readonly ITpmTransport _transport;
    private readonly LedgerMirror _mirror;
    private readonly TimeProvider _time;
    private readonly ExchangeClock _clock;
    private readonly TimeSpan _commandTimeout;
    private readonly byte[] _ownCommand = new byte[64 * 1024];
    private readonly Memory<byte> _ownResponse;

    /// <summary>The record of the exchange that is under way.</summary>
    private ExchangeRecord? _current;

    public TpmChannel(ITpmTransport transport, LedgerMirror mirror, TimeProvider time, TimeSpan commandTimeout)
    {
        (_transport, _mirror, _time, _commandTimeout) = (transport, mirror, time, commandTimeout);
        _clock = new ExchangeClock(time);
        _ownResponse = mirror.Own?.Buffer ?? new byte[64 * 1024];
        if (mirror.IsKept)
        {
            transport.WhenSent(() => _current?.Sent());
        }
    }

    /// <summary>True when the TPM has answered since the channel was connected, or doubted.</summary>
    private bool _hasAnswered;

    /// <summary>False from a loss until <see cref="TryConnect"/> succeeds.</summary>
    public bool IsUp { get; private set; }

    /// <summary>
    /// The reason why commands fail while the channel is down: the TPM did not answer in time, or the way to it is
    /// lost.
    /// </summary>
    public SpaceFailure Loss { get; private set; } = SpaceFailure.TransportLost;

    /// <summary>Gets the message of the error by which the channel was lost.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>Gets the command that the TPM has not answered; null when it has answered all. Any thread.</summary>
    public UnansweredCommand? Unanswered => _clock.Running;

    /// <summary>The largest command that the way to the TPM takes, in bytes.</summary>
    public int LargestCommand => _transport.Features.LargestCommand ?? int.MaxValue;

    public byte HighestLocality => _transport.Features.HighestLocality;

    /// <summary>
    /// True when the last own command was answered with the tag of a TPM 1.2 (TPM_ST_RSP_COMMAND, Part 2, 6.9). A TPM
    /// 2.0 answers so only to a bad tag, and the manager's tags are good.
    /// </summary>
    public bool IsTpm12 { get; private set; }

    /// <summary>The number of commands sent since the start.</summary>
    public long Commands { get; private set; }

    /// <summary>The time spent on exchanges since the start.</summary>
    public TimeSpan Busy { get; private set; }

    public bool TryConnect(TimeSpan timeout)
    {
        IsUp = _transport.TryConnect(timeout, out string problem);
        _hasAnswered = false;
        Problem = problem;
        return IsUp;
    }

    /// <summary>
    /// Records a doubt that the TPM is still there. The manager waits less long for the next answer than for others.
    /// </summary>
    public void Doubt() => _hasAnswered = false;

    /// <summary>Cancels the command that the TPM carries out. Any thread; never blocks.</summary>
    public void Cancel() => _transport.Cancel();

    /// <summary>
    /// Sends a client's command; the response is in <paramref name="response"/> when the status is Ok.
    /// </summary>
    /// <param name="command">The command as the TPM is to see it.</param>
    public TransmitResult Transmit(in ClientCommand client, ReadOnlyMemory<byte> command, Memory<byte> response)
    {
        long start = _time.GetTimestamp();
        TimeSpan limit = Shorter(client.Limit);
        _mirror.BeginClient(client.Space, client.Number, client.Written, EndOf(start, limit));
        TransmitResult result = Exchange(_mirror.Client, command, client.Locality, response, limit, start);
        if (_mirror.Client is { Phase: ExchangePhase.Received } kept)
        {
            kept.Response.CopyTo(response.Span);
        }

        return result;
    }

    /// <summary>
    /// Ends an exchange that the last manager had begun. Its response is in the record when the status is Ok; the TPM
    /// has not had the command when it is NotSent.
    /// </summary>
    public TransmitResult Finish(ExchangeRecord begun)
    {
        long start = _time.GetTimestamp();
        var left = TimeSpan.FromTicks(begun.End - EndOf(start, TimeSpan.Zero));
        _clock.Begin([], start);
        TransmitResult result = _transport.FinishExchange(
            begun.Phase == ExchangePhase.Sent, begun.Buffer, Shorter(left > s_shortestLimit ? left : s_shortestLimit));
        Count(result, start);
        IsUp |= result.Status == TransmitStatus.NotSent; // nothing of it is under way
        Note(begun, result);
        return result;
    }

    /// <summary>Sends TPM2_Startup(CLEAR). TPM_RC_INITIALIZE says that the TPM was up already.</summary>
    public OwnResult Startup()
    {
        TpmWriter command = Begin(TpmCc.Startup);
        command.WriteUInt16(0);
        return Send(command.FinishMessage(), out _);
    }

    public OwnResult ContextSave(TpmHandle handle, out ReadOnlySpan<byte> context)
    {
        TpmWriter command = Begin(TpmCc.ContextSave);
        command.WriteHandle(handle);
        return Send(command.FinishMessage(), out context);
    }

    public OwnResult ContextLoad(ReadOnlySpan<byte> context, out TpmHandle loaded)
    {
        TpmWriter command = Begin(TpmCc.ContextLoad);
        command.WriteBytes(context);
        OwnResult result = Send(command.FinishMessage(), out ReadOnlySpan<byte> parameters);
        loaded = default;
        return result.Succeeded && !new TpmReader(parameters).TryReadHandle(out loaded)
            ? Malformed(TpmCc.ContextLoad) : result;
    }

    public OwnResult FlushContext(TpmHandle handle)
    {
        TpmWriter command = Begin(TpmCc.FlushContext);
        command.WriteHandle(handle);
        return Send(command.FinishMessage(), out _);
    }

    public OwnResult GetCapability(TpmCap capability, uint property, uint count, out ReadOnlySpan<byte> data)
    {
        TpmWriter command = Begin(TpmCc.GetCapability);
        command.WriteUInt32((uint)capability);
        command.WriteUInt32(property);
        command.WriteUInt32(count);
        return Send(command.FinishMessage(), out data);
    }

    public OwnResult ReadClock(out ReadOnlySpan<byte> timeInfo) =>
        Send(Begin(TpmCc.ReadClock).FinishMessage(), out timeInfo);

    public OwnResult GetRandom(ushort count, out ReadOnlySpan<byte> bytes)
    {
        TpmWriter command = Begin(TpmCc.GetRandom);
        command.WriteUInt16(count);
        OwnResult result = Send(command.FinishMessage(), out ReadOnlySpan<byte> parameters);
        bytes = default;
        return result.Succeeded && !new TpmReader(parameters).TryReadSized(out bytes)
            ? Malformed(TpmCc.GetRandom) : result;
    }

    /// <summary>Zeroes what the last exchange of the manager's own left in its buffers.</summary>
    public void WipeOwn()
    {
        _ownCommand.AsSpan(0, SmallCommand).Clear();
        _ownResponse.Span[..(SmallCommand * 2)].Clear();
    }

    private TpmWriter Begin(TpmCc code)
    {
        var writer = new TpmWriter(_ownCommand);
        writer.BeginMessage(TpmSt.NoSessions, (uint)code);
        return writer;
    }

    /// <summary>
    /// Sends one of the manager's own commands, which is in the manager's own buffer. <paramref name="parameters"/> is
    /// what follows the response's header.
    /// </summary>
    private OwnResult Send(ReadOnlySpan<byte> command, out ReadOnlySpan<byte> parameters)
    {
        parameters = default;
        long start = _time.GetTimestamp();
        TimeSpan limit = Shorter(_hasAnswered ? TimeLimits.Own : TimeLimits.FirstAnswer);
        _mirror.BeginOwn(command, EndOf(start, limit));
        TransmitResult result = Exchange(
            _mirror.Own, _ownCommand.AsMemory(0, command.Length), 0, _ownResponse, limit, start);
        ReadOnlySpan<byte> response = _ownResponse.Span[..result.Length];
        if (result.Status != TransmitStatus.Ok || !TpmHeader.TryRead(response, out TpmHeader header))
        {
            return Lost(result.Problem ?? "The TPM sent bytes that are not a response.");
        }

        IsTpm12 = header.Tag == TpmSt.ResponseCommand;
        if (header.ResponseCode.IsSuccess)
        {
            parameters = response[TpmHeader.Length..];
        }

        return new OwnResult(true, header.ResponseCode);
    }

    /// <param name="record">Learns how far the exchange has come; null where there is no mirror.</param>
    private TransmitResult Exchange(
        ExchangeRecord? record, ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan limit,
        long start)
    {
        _current = record;
        _clock.Begin(command.Span, start);
        TransmitResult result = _transport.Transmit(command, locality, record?.Buffer ?? response, limit);
        _current = null;
        Count(result, start);
        Note(record, result);
        return result;
    }

    private void Count(in TransmitResult result, long start)
    {
        _clock.End();
        Busy += _time.GetElapsedTime(start);
        Commands++;
        _hasAnswered |= result.Status == TransmitStatus.Ok;
        if (result.Status is TransmitStatus.Disconnected or TransmitStatus.NotSent or TransmitStatus.TimedOut)
        {
            IsUp = false;
            Loss = result.Status == TransmitStatus.TimedOut ? SpaceFailure.TimedOut : SpaceFailure.TransportLost;
            Problem = result.Problem ?? result.Status.ToString();
        }
    }

    /// <summary>Records how an exchange ended. One whose response is lost stays unanswered.</summary>
    private static void Note(ExchangeRecord? record, in TransmitResult result)
    {
        if (result.Status == TransmitStatus.Ok)
        {
            record?.Received(result.Length);
        }
        else if (result.Status is not (TransmitStatus.Disconnected or TransmitStatus.TimedOut))
        {
            record?.Finish();
        }
    }

    private TimeSpan Shorter(TimeSpan limit) => limit < _commandTimeout ? limit : _commandTimeout;

    /// <summary>Returns when a time limit is over, in units of 100 ns since the machine's boot.</summary>
    private long EndOf(long start, TimeSpan limit) => _time.GetElapsedTime(0, start).Ticks + limit.Ticks;

    private OwnResult Malformed(TpmCc code) => Lost($"The TPM's response to {code} cannot be read.");

    private OwnResult Lost(string problem)
    {
        IsUp = false;
        Problem = problem;
        return new OwnResult(false, TpmRc.Success);
    }
}
