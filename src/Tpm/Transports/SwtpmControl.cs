using System.Buffers.Binary;

namespace TpmFs.Tpm.Transports;

/// <summary>Opens a connection to one of swtpm's channels. Any thread may call it.</summary>
internal delegate bool SwtpmConnector(Deadline deadline, out TpmSocket? socket, out string problem);

/// <summary>
/// swtpm's control channel (swtpm_ioctls(3), the CMD_ commands). A request is a big-endian number and its data; the
/// answer begins with a TPM result. swtpm serves one control connection at a time, and takes what one read(2) gives for
/// one request. So a connection is open only while it is needed, and carries one request at a time. Used by one thread
/// at a time, except for <see cref="Cancel"/>.
/// </summary>
/// <param name="open">Opens a connection, or returns the only one there is.</param>
/// <param name="keepsConnection">True when there is only one connection, which stays open after use.</param>
/// <param name="isAdopted">
/// True when another process used the connection: swtpm may owe answers to its requests.
/// </param>
internal sealed class SwtpmControl(SwtpmConnector open, bool keepsConnection, bool isAdopted = false)
{
    private const uint GetCapability = 1;
    private const uint ShutdownCommand = 3;
    private const uint SetLocality = 5;
    private const uint CancelTpmCommand = 9;

    /// <summary>The answer to a locality that no TPM has: TPM_BAD_LOCALITY.</summary>
    private const uint NoSuchLocalityAnswer = 0x3D;

    private const string NotInTime =
        "swtpm's control channel did not answer in time: swtpm hangs, or another client is connected to the channel";

    private const ulong CapabilitySetLocality = 1 << 3;
    private const ulong CapabilityCancel = 1 << 5;

    /// <summary>A request that swtpm does not know. It answers TPM_BAD_ORDINAL.</summary>
    private static readonly byte[] s_unknownRequest = [0x7F, 0xFF, 0xFF, 0xF0];

    /// <summary>A request that swtpm refuses with <see cref="NoSuchLocalityAnswer"/>.</summary>
    private static readonly byte[] s_noSuchLocality = [0, 0, 0, (byte)SetLocality, 0xFF];

    private static readonly TimeSpan s_cancelOpenTimeout = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The cancel that was sent or is being sent. Its result is the connection on which the answer will come.
    /// </summary>
    private Task<TpmSocket?>? _cancel;

    /// <summary>True when answers may come that nobody waits for.</summary>
    private bool _isOutOfStep = isAdopted;

    /// <summary>True when the only connection there was has been closed.</summary>
    public bool IsLost { get; private set; }

    /// <summary>True when swtpm answered the last request with a refusal.</summary>
    public bool HasRefused { get; private set; }

    /// <summary>True when an answer, to a cancel for one, has not been collected yet.</summary>
    public bool OwesAnswer => _isOutOfStep || Volatile.Read(ref _cancel) is not null;

    /// <summary>Asks swtpm for its capabilities (PTM_CAP_*), which tell what the transport can do.</summary>
    public bool TryGetFeatures(Deadline deadline, out TpmTransportFeatures features, out string problem)
    {
        Span<byte> answer = stackalloc byte[sizeof(ulong)];
        if (!TryExchange(GetCapability, [], answer, deadline, out problem))
        {
            features = default;
            return false;
        }

        ulong capabilities = BinaryPrimitives.ReadUInt64BigEndian(answer);
        byte highestLocality = (capabilities & CapabilitySetLocality) != 0 ? (byte)4 : (byte)0;
        features = new TpmTransportFeatures((capabilities & CapabilityCancel) != 0, highestLocality);
        return true;
    }

    public bool TrySetLocality(byte locality, Deadline deadline, out string problem) =>
        TryCommand(SetLocality, [locality], deadline, out problem);

    /// <summary>Asks swtpm to end in order.</summary>
    public bool TryShutdown(Deadline deadline, out string problem) =>
        TryCommand(ShutdownCommand, [], deadline, out problem);

    /// <summary>
    /// Sends CMD_CANCEL_TPM_CMD from a thread of the pool, and returns at once. Any thread may call it. swtpm answers
    /// only after the command that runs (measured), so <see cref="Settle"/> collects the answer later.
    /// </summary>
    public void Cancel()
    {
        if (Volatile.Read(ref _cancel) is null)
        {
            Volatile.Write(ref _cancel, Task.Run(SendCancel));
        }
    }

    /// <summary>
    /// Waits until swtpm has answered the cancel that was sent, if one was: a cancel must not reach the TPM while it
    /// runs a later command. Where the answer does not come in time, the cancel's connection is closed. The only
    /// connection there is stays open, and its answer is still to come.
    /// </summary>
    public void Settle(Deadline deadline)
    {
        if (_isOutOfStep)
        {
            GetInStep(deadline);
            return;
        }

        if (Volatile.Read(ref _cancel) is not { } cancel)
        {
            return;
        }

        if (!cancel.Wait(deadline.Remaining))
        {
            if (!keepsConnection)
            {
                Volatile.Write(ref _cancel, null);
                cancel.ContinueWith(
                    static sent => sent.Result?.Dispose(),
                    CancellationToken.None,
                    TaskContinuationOptions.OnlyOnRanToCompletion,
                    TaskScheduler.Default);
            }

            return;
        }

        Span<byte> result = stackalloc byte[sizeof(uint)];
        IoStatus status = cancel.Result?.ReceiveExactly(result, deadline) ?? IoStatus.Closed;
        if (status == IoStatus.TimedOut && keepsConnection)
        {
            return;
        }

        Volatile.Write(ref _cancel, null);
        if (cancel.Result is { } socket)
        {
            Release(socket, answered: status == IoStatus.Ok);
        }
    }

    /// <summary>
    /// Drops the answers to what other processes asked, and to a cancel since then. Two requests are sent that swtpm
    /// refuses, each once swtpm has read those before: it takes what one read(2) gives for one request.
    /// </summary>
    /// <remarks>
    /// swtpm reads a request once it has answered the one before. So when it has read the second request, the answer
    /// to the first is here, with all that other processes are owed, the answers to requests of this kind among them.
    /// Then only the answer to the second can be missing, and it differs from that to the first. So when the last
    /// bytes are that answer, and no more are there, all are here.
    /// </remarks>
    private void GetInStep(Deadline deadline)
    {
        if ((Volatile.Read(ref _cancel) is { } cancel && !cancel.Wait(deadline.Remaining))
            || !open(deadline, out TpmSocket? socket, out _)
            || !TrySendOnceRead(socket!, s_unknownRequest, deadline)
            || !TrySendOnceRead(socket!, s_noSuchLocality, deadline)
            || !socket!.AwaitRead(deadline))
        {
            return;
        }

        Span<byte> last = stackalloc byte[64]; // the last four bytes, and what comes behind them
        last.Clear();
        do
        {
            if (socket.Receive(last[sizeof(uint)..], deadline, out int count) != IoStatus.Ok)
            {
                return;
            }

            last.Slice(count, sizeof(uint)).CopyTo(last);
        }
        while (BinaryPrimitives.ReadUInt32BigEndian(last) != NoSuchLocalityAnswer || !socket.IsQuiet);

        _isOutOfStep = false;
        Volatile.Write(ref _cancel, null);
    }

    private static bool TrySendOnceRead(TpmSocket socket, ReadOnlySpan<byte> request, Deadline deadline) =>
        socket.AwaitRead(deadline) && socket.SendAll(request, deadline) == IoStatus.Ok;

    private TpmSocket? SendCancel()
    {
        var deadline = Deadline.After(s_cancelOpenTimeout);
        if (!open(deadline, out TpmSocket? socket, out _))
        {
            return null;
        }

        Span<byte> request = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(request, CancelTpmCommand);
        if (socket!.SendAll(request, deadline) == IoStatus.Ok)
        {
            return socket;
        }

        Release(socket, answered: false);
        return null;
    }

    private bool TryCommand(uint command, ReadOnlySpan<byte> data, Deadline deadline, out string problem)
    {
        Span<byte> answer = stackalloc byte[sizeof(uint)];
        HasRefused = false;
        if (!TryExchange(command, data, answer, deadline, out problem))
        {
            return false;
        }

        uint result = BinaryPrimitives.ReadUInt32BigEndian(answer);
        HasRefused = result != 0;
        problem = result == 0
            ? string.Empty
            : $"swtpm's control channel refused command {command} with the result 0x{result:X}";
        return result == 0;
    }

    private bool TryExchange(
        uint command, ReadOnlySpan<byte> data, Span<byte> answer, Deadline deadline, out string problem)
    {
        Settle(deadline);
        if (OwesAnswer)
        {
            problem = NotInTime;
            return false;
        }

        if (!open(deadline, out TpmSocket? socket, out problem))
        {
            return false;
        }

        Span<byte> request = stackalloc byte[sizeof(uint) + data.Length];
        BinaryPrimitives.WriteUInt32BigEndian(request, command);
        data.CopyTo(request[sizeof(uint)..]);
        IoStatus status = socket!.SendAll(request, deadline);
        if (status == IoStatus.Ok)
        {
            status = socket.ReceiveExactly(answer, deadline);
        }

        Release(socket, answered: status == IoStatus.Ok);
        problem = status switch
        {
            IoStatus.Ok => string.Empty,
            IoStatus.TimedOut => NotInTime,
            _ => "swtpm closed its control channel",
        };
        return status == IoStatus.Ok;
    }

    private void Release(TpmSocket socket, bool answered)
    {
        // A connection that stays open must not owe an answer: the next request would take that answer for its own.
        if (!keepsConnection || !answered)
        {
            socket.Dispose();
            IsLost = keepsConnection;
        }
    }
}
