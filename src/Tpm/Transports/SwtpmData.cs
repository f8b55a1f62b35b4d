using System.Globalization;
using System.Runtime.InteropServices;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// swtpm's data channel, which carries TPM commands and responses as they are. Some swtpms keep the connection. Others
/// close it after each response ('swtpm socket -p PORT', '--server …,disconnect'); then each command gets a connection
/// of its own. Used by one thread at a time.
/// </summary>
/// <param name="first">The first connection, which is disposed with the channel.</param>
/// <param name="open">Opens a further connection; null where there is only the first.</param>
/// <param name="watch">How long to wait, after the first response of a connection, whether swtpm closes it.</param>
internal sealed class SwtpmData(TpmSocket first, SwtpmConnector? open, TimeSpan watch) : IDisposable
{
    private TpmSocket _socket = first;

    /// <summary>Counts the responses since the channel was made.</summary>
    private int _responses;

    /// <summary>True when a whole command was sent and no byte of its response has come.</summary>
    private bool _owesResponse;

    /// <summary>True when swtpm closes the connection after each response.</summary>
    public bool ClosesAfterResponse { get; private set; }

    /// <summary>
    /// True when swtpm closed the connection after its first response, and not within the time to watch for that.
    /// </summary>
    public bool EndedAfterFirstResponse { get; private set; }

    /// <summary>Sends a whole command. Returns null on success, or how the exchange ended.</summary>
    public TransmitResult? Send(ReadOnlySpan<byte> command, Deadline deadline, TimeSpan timeout)
    {
        if (ClosesAfterResponse)
        {
            if (!open!(deadline, out TpmSocket? next, out string problem))
            {
                return new(TransmitStatus.NotSent, 0, problem);
            }

            _socket = next!;
        }
        else if (_owesResponse || !_socket.IsQuiet)
        {
            bool isClosed = _socket.EndsWithin(TimeSpan.Zero);
            EndedAfterFirstResponse = isClosed && _responses == 1;
            return new(
                TransmitStatus.NotSent, 0, isClosed
                    ? "swtpm closed the connection"
                    : "swtpm sent bytes that no command asked for");
        }

        // swtpm does not execute a command of which only a part has come.
        IoStatus sent = _socket.SendAll(command, deadline);
        if (sent != IoStatus.Ok)
        {
            return Failed(sent, timeout, TransmitStatus.NotSent);
        }

        _owesResponse = true;
        return null;
    }

    public TransmitResult Receive(Span<byte> response, Deadline deadline, TimeSpan timeout)
    {
        int received = 0;
        while (true)
        {
            IoStatus status = _socket.Receive(response[received..], deadline, out int count);
            if (status != IoStatus.Ok)
            {
                EndedAfterFirstResponse = status == IoStatus.Closed && received == 0 && _responses == 1;
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
                string problem = $"the TPM sent a response that says that it is {header.Size} bytes long";
                return new(TransmitStatus.Disconnected, 0, problem);
            }

            if (received > header.Size)
            {
                return new(TransmitStatus.Disconnected, 0, "the TPM sent more bytes than the response's size says");
            }

            if (received == header.Size)
            {
                EndResponse();
                return new(TransmitStatus.Ok, received);
            }
        }
    }

    /// <summary>Ends an exchange that another process had begun on this connection.</summary>
    /// <param name="wasSent">False when it is not known whether swtpm has the command.</param>
    /// <param name="response">What the other process received, and zeros.</param>
    public TransmitResult Finish(bool wasSent, Span<byte> response, Deadline deadline, TimeSpan timeout)
    {
        bool isBegun = SwtpmTakeover.IsBegun(response, out uint size);
        _owesResponse = wasSent && !isBegun;
        if (_owesResponse)
        {
            return Receive(response, deadline, timeout);
        }

        var takeover = new SwtpmTakeover(_socket, deadline, timeout);
        TransmitResult result =
            wasSent ? takeover.ReceiveRest(response, size, mayHaveMarkers: false) : takeover.Finish(response);
        if (result.Status == TransmitStatus.Ok)
        {
            EndResponse();
        }

        return result;
    }

    /// <summary>
    /// Waits for the response to a command that was given up, and drops it. Returns true when the connection can be
    /// used again.
    /// </summary>
    public bool TryResume(Deadline deadline)
    {
        Span<byte> scrap = stackalloc byte[TpmHeader.Length];
        if (!_owesResponse
            || _socket.ReceiveExactly(scrap, deadline) != IoStatus.Ok
            || !TpmHeader.TryRead(scrap, out TpmHeader header))
        {
            return false;
        }

        _owesResponse = false;
        long rest = (long)header.Size - TpmHeader.Length;
        Span<byte> dropped = stackalloc byte[512];
        while (rest > 0)
        {
            int size = (int)Math.Min(rest, dropped.Length);
            if (_socket.ReceiveExactly(dropped[..size], deadline) != IoStatus.Ok)
            {
                return false;
            }

            rest -= size;
        }

        dropped.Clear();
        return rest == 0;
    }

    public bool IsQuiet => _socket.IsQuiet;

    /// <summary>
    /// Gets the descriptor that keeps the connection open; null where swtpm closes it after each response.
    /// </summary>
    public SafeHandle? Descriptor => ClosesAfterResponse ? null : _socket.Descriptor;

    public void Dispose() => _socket.Dispose();

    /// <summary>
    /// Finds out after the first response whether swtpm closes the connection. Such a connection must not carry another
    /// command: swtpm might close it after the command is sent, and nobody could tell whether the TPM has had the
    /// command.
    /// </summary>
    private void EndResponse()
    {
        if (++_responses == 1)
        {
            ClosesAfterResponse = open is not null && _socket.EndsWithin(watch);
        }

        if (ClosesAfterResponse)
        {
            _socket.Dispose();
        }
    }

    /// <summary>Returns how an exchange ends on whose connection a call failed.</summary>
    internal static TransmitResult Failed(IoStatus status, TimeSpan timeout, TransmitStatus whenClosed)
    {
        if (status != IoStatus.TimedOut)
        {
            return new(whenClosed, 0, "swtpm closed the connection");
        }

        string limit = string.Create(CultureInfo.InvariantCulture, $"{timeout.TotalSeconds:0.###} s");
        return new(
            TransmitStatus.TimedOut, 0, $"no response from swtpm in {limit}: it hangs, or serves another client");
    }
}
