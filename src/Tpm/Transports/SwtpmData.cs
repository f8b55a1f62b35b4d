using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
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
    /// <summary>A command code that is not assigned (Part 2, 6.5.2), nor a vendor's.</summary>
    private const uint UnknownCommand = 0xFFF0;

    /// <summary>How long to wait for an answer that may come, from a swtpm that is not busy.</summary>
    private static readonly TimeSpan s_promptAnswer = TimeSpan.FromMilliseconds(50);

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
        bool isBegun = TpmHeader.TryRead(response, out TpmHeader begun) && begun.Size >= TpmHeader.Length;
        if (isBegun && !wasSent && IsAnswerToUnknown(response))
        {
            // A process that was finding out was killed after it had received the answer to its own command.
            response[..TpmHeader.Length].Clear();
            isBegun = false;
        }

        if (isBegun)
        {
            // swtpm may be about to answer what was sent to find out.
            _ = !wasSent && _socket.IsQuietFor(s_promptAnswer);
            return ReceiveRest(response, begun.Size, deadline, timeout);
        }

        _owesResponse = wasSent;
        return wasSent ? Receive(response, deadline, timeout) : FindOut(response, deadline, timeout);
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
    /// Receives what is left of a response. All of it has come: swtpm sends a response at once, and the other process
    /// has ended some time ago. Behind the response there may be answers to commands by which processes that were
    /// killed wanted to find out whether swtpm had the command.
    /// </summary>
    private TransmitResult ReceiveRest(Span<byte> response, uint size, Deadline deadline, TimeSpan timeout)
    {
        byte[] there = new byte[_socket.Available];
        int left = _socket.Peek(there);
        int answers = 0;
        while (left >= TpmHeader.Length && IsAnswerToUnknown(there.AsSpan(left - TpmHeader.Length, TpmHeader.Length)))
        {
            left -= TpmHeader.Length;
            answers++;
        }

        CryptographicOperations.ZeroMemory(there);
        if (size > response.Length || left > size)
        {
            return new(TransmitStatus.Disconnected, 0, "the response that was begun does not fit");
        }

        IoStatus status = _socket.ReceiveExactly(response[((int)size - left)..(int)size], deadline);
        Span<byte> dropped = stackalloc byte[TpmHeader.Length];
        for (; status == IoStatus.Ok && answers > 0; answers--)
        {
            status = _socket.ReceiveExactly(dropped, deadline);
        }

        if (status != IoStatus.Ok)
        {
            return Failed(status, timeout, TransmitStatus.Disconnected);
        }

        EndResponse();
        return new(TransmitStatus.Ok, (int)size);
    }

    /// <summary>Receives a response, behind which another one may have come.</summary>
    private TransmitResult ReceiveOne(Span<byte> response, Deadline deadline, TimeSpan timeout)
    {
        IoStatus status = _socket.ReceiveExactly(response[..TpmHeader.Length], deadline);
        bool isResponse = TpmHeader.TryRead(response, out TpmHeader header)
            && header.Size >= TpmHeader.Length && header.Size <= response.Length;
        if (status == IoStatus.Ok && isResponse)
        {
            status = _socket.ReceiveExactly(response[TpmHeader.Length..(int)header.Size], deadline);
        }

        return status != IoStatus.Ok ? Failed(status, timeout, TransmitStatus.Disconnected)
            : isResponse ? new(TransmitStatus.Ok, (int)header.Size)
            : new(TransmitStatus.Disconnected, 0, "the TPM sent bytes that are not a response");
    }

    /// <summary>
    /// Finds out whether swtpm has had a command: sends one more, which no TPM knows, and looks whether there is
    /// another answer beside the one to that.
    /// </summary>
    private TransmitResult FindOut(Span<byte> response, Deadline deadline, TimeSpan timeout)
    {
        // swtpm takes all that one read(2) gives for one command. It has read the first one when it answers, or soon.
        bool isQuiet = _socket.IsQuietFor(s_promptAnswer);
        Span<byte> unknown = stackalloc byte[TpmHeader.Length];
        var writer = new TpmWriter(unknown);
        writer.BeginMessage(TpmSt.NoSessions, UnknownCommand);
        IoStatus sent = _socket.SendAll(writer.FinishMessage(), deadline);
        if (sent != IoStatus.Ok)
        {
            return Failed(sent, timeout, TransmitStatus.Disconnected);
        }

        // A process that was killed here may have sent one, too. Their answers come at once.
        TransmitResult found = new(TransmitStatus.NotSent, 0, "swtpm had no command");
        Span<byte> answer = stackalloc byte[TpmHeader.Length];
        for (int answers = 0; answers == 0 || !_socket.IsQuietFor(s_promptAnswer);)
        {
            // The response that is looked for goes straight to where the next process finds it.
            bool isFound = found.Status == TransmitStatus.Ok;
            Span<byte> into = isFound ? answer : response;
            TransmitResult next = ReceiveOne(into, deadline, timeout);
            if (next.Status != TransmitStatus.Ok)
            {
                return next;
            }

            bool isToPart = IsAnswerToPart(into);
            if (isToPart || IsAnswerToUnknown(into))
            {
                // A part that is shorter than a header waits in swtpm, which takes it and the unknown command for one.
                answers += isToPart && !isQuiet ? 0 : 1;
                into[..TpmHeader.Length].Clear();
            }
            else
            {
                found = next;
            }
        }

        return found;
    }

    private static bool IsAnswerToUnknown(ReadOnlySpan<byte> response) =>
        TpmHeader.TryRead(response, out TpmHeader header) && header.Size == TpmHeader.Length
            && header.ResponseCode == TpmRc.CommandCode;

    /// <summary>
    /// True for the answer to a command of which only a part has come, or its first byte alone. The TPM has not
    /// executed it.
    /// </summary>
    private static bool IsAnswerToPart(ReadOnlySpan<byte> response) =>
        TpmHeader.TryRead(response, out TpmHeader header) && header.Size == TpmHeader.Length
            && (header.ResponseCode == TpmRc.CommandSize || header.ResponseCode == TpmRc.ValueError);

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

    private static TransmitResult Failed(IoStatus status, TimeSpan timeout, TransmitStatus whenClosed)
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
