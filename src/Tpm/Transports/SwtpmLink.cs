using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// One connection to a swtpm: its data socket, which carries bare TPM commands and responses, and its control channel, where there is one.
/// </summary>
/// <param name="data">Owned.</param>
/// <param name="control">Null where there is none: then there is locality 0 only and no cancel.</param>
internal sealed class SwtpmLink(TpmSocket data, SwtpmControl? control, TpmTransportFeatures features) : IDisposable
{
    /// <summary>How long an answer to a cancel is waited for once the command that it was for has ended.</summary>
    private static readonly TimeSpan s_cancelAnswerTimeout = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private Phase _phase; // Under _gate; written by the one thread that transmits.
    private bool _cancelWanted; // Under _gate.
    private byte? _locality;

    /// <summary>A whole command was sent and not one byte of its response has come.</summary>
    private bool _owesResponse;

    private enum Phase
    {
        Idle,
        Preparing,
        Running,
    }

    public TpmTransportFeatures Features => features;

    public TransmitResult Transmit(ReadOnlySpan<byte> command, byte locality, Span<byte> response, TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(response.Length, TpmHeader.Length);
        var deadline = Deadline.After(timeout);
        if (control is { OwesAnswer: true })
        {
            control.Settle(deadline.OrAfter(s_cancelAnswerTimeout));
        }

        Enter(Phase.Preparing);
        try
        {
            if (!TrySetLocality(locality, deadline, out string problem))
            {
                return new(control is { IsLost: true } ? TransmitStatus.NotSent : TransmitStatus.LocalityRefused, 0, problem);
            }

            if (_owesResponse || !data.IsQuiet)
            {
                return new(TransmitStatus.NotSent, 0, "swtpm closed the connection, or sent bytes that no command asked for");
            }

            // A part of a command is none to swtpm.
            IoStatus sent = data.SendAll(command, deadline);
            if (sent != IoStatus.Ok)
            {
                return Failed(sent, timeout, TransmitStatus.NotSent);
            }

            _owesResponse = true;
            Enter(Phase.Running);
            return Receive(response, deadline, timeout);
        }
        finally
        {
            Enter(Phase.Idle);
        }
    }

    /// <summary>Asks swtpm to give up the command under way. Any thread; never blocks.</summary>
    public void Cancel()
    {
        if (!features.CanCancel)
        {
            return;
        }

        lock (_gate)
        {
            if (_phase == Phase.Running)
            {
                control?.Cancel();
            }

            // Before the command is sent there is nothing to cancel yet: it is done as soon as there is.
            _cancelWanted = _phase == Phase.Preparing;
        }
    }

    /// <summary>
    /// Waits for the response that a command which was given up still owes, and drops it; after that the link is as good as new. False
    /// when that is not possible.
    /// </summary>
    public bool TryResume(Deadline deadline)
    {
        Span<byte> scrap = stackalloc byte[TpmHeader.Length];
        if (!_owesResponse || data.ReceiveExactly(scrap, deadline) != IoStatus.Ok || !TpmHeader.TryRead(scrap, out TpmHeader header))
        {
            return false;
        }

        _owesResponse = false;
        long rest = (long)header.Size - TpmHeader.Length;
        Span<byte> dropped = stackalloc byte[512];
        while (rest > 0)
        {
            int size = (int)Math.Min(rest, dropped.Length);
            if (data.ReceiveExactly(dropped[..size], deadline) != IoStatus.Ok)
            {
                return false;
            }

            rest -= size;
        }

        dropped.Clear();
        control?.Settle(deadline.OrAfter(s_cancelAnswerTimeout));
        return rest == 0 && data.IsQuiet;
    }

    /// <summary>Closes the link, in locality 0: the next client of this swtpm would have this one's otherwise.</summary>
    public void Dispose()
    {
        var deadline = Deadline.After(s_cancelAnswerTimeout);
        control?.Settle(deadline);
        if (_locality > 0)
        {
            control?.TrySetLocality(0, deadline, out _);
        }

        data.Dispose();
    }

    private void Enter(Phase phase)
    {
        lock (_gate)
        {
            _phase = phase;
            if (phase == Phase.Running && _cancelWanted)
            {
                control?.Cancel();
            }

            _cancelWanted = false;
        }
    }

    private bool TrySetLocality(byte locality, Deadline deadline, out string problem)
    {
        if (features.HighestLocality == 0 || control is null)
        {
            problem = locality == 0 ? string.Empty : $"locality {locality} needs swtpm's control channel, which is not to be had";
            return locality == 0;
        }

        problem = string.Empty;
        if (_locality == locality)
        {
            return true;
        }

        _locality = null;
        if (!control.TrySetLocality(locality, deadline, out problem))
        {
            return false;
        }

        _locality = locality;
        return true;
    }

    private TransmitResult Receive(Span<byte> response, Deadline deadline, TimeSpan timeout)
    {
        int received = 0;
        while (true)
        {
            IoStatus status = data.Receive(response[received..], deadline, out int count);
            if (status != IoStatus.Ok)
            {
                if (status == IoStatus.TimedOut)
                {
                    Cancel();
                }

                return Failed(status, timeout, TransmitStatus.Disconnected);
            }

            _owesResponse = false;
            received += count;
            if (!TpmHeader.TryRead(response[..received], out TpmHeader header))
            {
                continue;
            }

            if (header.Size < TpmHeader.Length || header.Size > response.Length)
            {
                return new(TransmitStatus.Disconnected, 0, $"the TPM sent a response that says it is {header.Size} bytes long");
            }

            if (received > header.Size)
            {
                return new(TransmitStatus.Disconnected, 0, "the TPM sent more bytes than the response's size says");
            }

            if (received == header.Size)
            {
                return new(TransmitStatus.Ok, received);
            }
        }
    }

    private static TransmitResult Failed(IoStatus status, TimeSpan timeout, TransmitStatus whenClosed) => status == IoStatus.TimedOut
        ? new(TransmitStatus.TimedOut, 0, $"no response from swtpm in {timeout.TotalSeconds:0.###} s (it serves one client at a time)")
        : new(whenClosed, 0, "swtpm closed the connection");
}
