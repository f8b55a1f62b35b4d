using System.Buffers.Binary;

namespace TpmFs.Tpm.Transports;

/// <summary>Opens a connection to one of swtpm's channels. Any thread.</summary>
internal delegate bool SwtpmConnector(Deadline deadline, out TpmSocket? socket, out string problem);

/// <summary>
/// swtpm's control channel (swtpm_ioctls(3), the CMD_ commands): a big-endian command number and its data, answered by a TPM result.
/// swtpm serves one control connection at a time and takes one read(2) for one command, so a connection is held only while it is
/// needed and never carries two requests at once. Used by one thread, but for <see cref="Cancel"/>.
/// </summary>
/// <param name="open">Opens a connection, or hands out the one that there is.</param>
/// <param name="keepsConnection">The connection that is opened is the only one there will be: it is not closed after use.</param>
internal sealed class SwtpmControl(SwtpmConnector open, bool keepsConnection)
{
    private const uint GetCapability = 1;
    private const uint ShutdownCommand = 3;
    private const uint SetLocality = 5;
    private const uint CancelTpmCommand = 9;

    private const string NotInTime = "swtpm's control channel did not answer in time: swtpm hangs, or another client is connected to the channel";

    private const ulong CapabilitySetLocality = 1 << 3;
    private const ulong CapabilityCancel = 1 << 5;

    private static readonly TimeSpan s_cancelOpenTimeout = TimeSpan.FromSeconds(1);

    /// <summary>The cancel that was sent, or is being sent; its result is the connection that owes the answer.</summary>
    private Task<TpmSocket?>? _cancel;

    /// <summary>The one connection that there was is gone.</summary>
    public bool IsLost { get; private set; }

    /// <summary>True when the last command was answered, with a refusal.</summary>
    public bool HasRefused { get; private set; }

    /// <summary>A cancel was sent that is not settled yet.</summary>
    public bool OwesAnswer => Volatile.Read(ref _cancel) is not null;

    /// <summary>Reads PTM_CAP_*, which says what the transport can do.</summary>
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

    /// <summary>Ends the swtpm process in order.</summary>
    public bool TryShutdown(Deadline deadline, out string problem) => TryCommand(ShutdownCommand, [], deadline, out problem);

    /// <summary>
    /// Sends CMD_CANCEL_TPM_CMD from a thread of the pool. Any thread; returns at once. swtpm's sockets answer it only after the command
    /// that runs (measured), so its answer is collected by <see cref="Settle"/>.
    /// </summary>
    public void Cancel()
    {
        if (Volatile.Read(ref _cancel) is null)
        {
            Volatile.Write(ref _cancel, Task.Run(SendCancel));
        }
    }

    /// <summary>
    /// Waits until the cancel that was sent, if any, is answered: a cancel must not reach the TPM while it runs a later command. One
    /// that is not answered in time is given up with its connection, unless there is no other connection: then it stays owed.
    /// </summary>
    public void Settle(Deadline deadline)
    {
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
        problem = result == 0 ? string.Empty : $"swtpm's control channel refused command {command} with the result 0x{result:X}";
        return result == 0;
    }

    private bool TryExchange(uint command, ReadOnlySpan<byte> data, Span<byte> answer, Deadline deadline, out string problem)
    {
        Settle(deadline);
        if (_cancel is not null)
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
        // A kept connection that still owes an answer is of no use: a later request would take it for its own.
        if (!keepsConnection || !answered)
        {
            socket.Dispose();
            IsLost = keepsConnection;
        }
    }
}
