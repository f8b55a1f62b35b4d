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
/// Sends commands through the transport: clients' commands as they are, and the manager's own few commands. Used by the
/// manager's thread alone, except for <see cref="Cancel"/>.
/// </summary>
internal sealed class TpmChannel(ITpmTransport transport, TimeProvider time, TimeSpan commandTimeout)
{
    private const int SmallCommand = 64;
    private readonly byte[] _ownCommand = new byte[64 * 1024];
    private readonly byte[] _ownResponse = new byte[64 * 1024];

    /// <summary>True when the TPM has answered since the channel was connected, or doubted.</summary>
    private bool _hasAnswered;

    /// <summary>False from a loss until <see cref="TryConnect"/> succeeds.</summary>
    public bool IsUp { get; private set; }

    /// <summary>
    /// Why commands fail while the channel is down: the TPM did not answer in time, or the way to it is lost.
    /// </summary>
    public SpaceFailure Loss { get; private set; } = SpaceFailure.TransportLost;

    /// <summary>What went wrong when the channel was lost.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>The largest command that the way to the TPM takes, in bytes.</summary>
    public int LargestCommand => transport.Features.LargestCommand ?? int.MaxValue;

    public byte HighestLocality => transport.Features.HighestLocality;

    /// <summary>
    /// True when the last own command was answered with the tag of a TPM 1.2 (TPM_ST_RSP_COMMAND, Part 2, 6.9). A TPM
    /// 2.0 answers so only to a bad tag, and the manager's tags are good.
    /// </summary>
    public bool IsTpm12 { get; private set; }

    /// <summary>Commands sent since the start.</summary>
    public long Commands { get; private set; }

    /// <summary>Time spent on exchanges since the start.</summary>
    public TimeSpan Busy { get; private set; }

    public bool TryConnect(TimeSpan timeout)
    {
        IsUp = transport.TryConnect(timeout, out string problem);
        _hasAnswered = false;
        Problem = problem;
        return IsUp;
    }

    /// <summary>
    /// Records a doubt that the TPM is still there. The manager waits less long for the next answer than for others.
    /// </summary>
    public void Doubt() => _hasAnswered = false;

    /// <summary>Cancels the command that the TPM carries out. Any thread; never blocks.</summary>
    public void Cancel() => transport.Cancel();

    /// <summary>Sends a command; the response is in <paramref name="response"/> when the status is Ok.</summary>
    /// <param name="limit">
    /// How long the command may take, if <see cref="ResourceManagerOptions.CommandTimeout"/> is not shorter.
    /// </param>
    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan limit)
    {
        long start = time.GetTimestamp();
        TransmitResult result =
            transport.Transmit(command, locality, response, limit < commandTimeout ? limit : commandTimeout);
        Busy += time.GetElapsedTime(start);
        Commands++;
        _hasAnswered |= result.Status == TransmitStatus.Ok;
        if (result.Status is TransmitStatus.Disconnected or TransmitStatus.NotSent or TransmitStatus.TimedOut)
        {
            IsUp = false;
            Loss = result.Status == TransmitStatus.TimedOut ? SpaceFailure.TimedOut : SpaceFailure.TransportLost;
            Problem = result.Problem ?? result.Status.ToString();
        }

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
        _ownResponse.AsSpan(0, SmallCommand * 2).Clear();
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
        TransmitResult result = Transmit(
            _ownCommand.AsMemory(0, command.Length), 0, _ownResponse,
            _hasAnswered ? TimeLimits.Own : TimeLimits.FirstAnswer);
        if (result.Status != TransmitStatus.Ok
            || !TpmHeader.TryRead(_ownResponse.AsSpan(0, result.Length), out TpmHeader header))
        {
            return Lost(result.Problem ?? "The TPM sent bytes that are not a response.");
        }

        IsTpm12 = header.Tag == TpmSt.ResponseCommand;
        if (header.ResponseCode.IsSuccess)
        {
            parameters = _ownResponse.AsSpan(TpmHeader.Length, result.Length - TpmHeader.Length);
        }

        return new OwnResult(true, header.ResponseCode);
    }

    private OwnResult Malformed(TpmCc code) => Lost($"The TPM's response to {code} cannot be read.");

    private OwnResult Lost(string problem)
    {
        IsUp = false;
        Problem = problem;
        return new OwnResult(false, TpmRc.Success);
    }
}
