using System.Security.Cryptography;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// Ends an exchange in which the process that had begun it was killed, on its connection to swtpm, which need not have
/// the command. It sends markers (<see cref="SwtpmMarker"/>), and receives all that comes until the answer to the last.
/// </summary>
/// <remarks>
/// No clock says whether an answer is still to come. The command's own answer may be the same as that to the marker
/// after it. So a second marker, with another answer, is sent after the first one is answered: a command has one
/// answer, which is not both. Processes that were killed here have sent markers, too. Their answers are other ones,
/// since the last byte of the response's memory, which outlives each process, counts the markers.
/// </remarks>
/// <param name="socket">The connection.</param>
/// <param name="deadline">When to give up.</param>
/// <param name="timeout">The whole time until then, for messages.</param>
internal sealed class SwtpmTakeover(TpmSocket socket, Deadline deadline, TimeSpan timeout)
{
    /// <summary>More than any TPM 2.0 needs.</summary>
    private const int MostMarkers = 32;

    /// <summary>True for the beginning of a response that an earlier process received.</summary>
    public static bool IsBegun(ReadOnlySpan<byte> response, out uint size)
    {
        bool isBegun = TpmHeader.TryRead(response, out TpmHeader begun) && begun.Size >= TpmHeader.Length;
        size = isBegun ? begun.Size : 0;
        return isBegun;
    }

    /// <summary>Receives the response to a command that swtpm may have, or finds out that it has none.</summary>
    /// <param name="response">What the other process received, and zeros.</param>
    public TransmitResult Finish(Span<byte> response)
    {
        ref byte number = ref response[^1];
        Span<byte> room = response[..^1];
        if (IsBegun(room, out uint size) && !SwtpmMarker.IsAnswer(room) && !SwtpmMarker.IsRefusal(room))
        {
            TransmitResult whole = ReceiveRest(room, size, mayHaveMarkers: true);
            return whole.Status == TransmitStatus.Ok && Unexpected(ref number) is { } problem ? problem : whole;
        }

        room[..TpmHeader.Length].Clear(); // An answer that an earlier process received here.
        return ReceiveToMarker(room, ref number);
    }

    /// <summary>
    /// Receives what is left of a response. All of it has come: swtpm sends a response by one write(2), and the other
    /// process has received the beginning. Behind it there may be answers to markers.
    /// </summary>
    public TransmitResult ReceiveRest(Span<byte> response, uint size, bool mayHaveMarkers)
    {
        byte[] there = new byte[socket.Available];
        int left = socket.Peek(there);
        while (mayHaveMarkers && left >= TpmHeader.Length
            && SwtpmMarker.IsAnswer(there.AsSpan(left - TpmHeader.Length, TpmHeader.Length)))
        {
            left -= TpmHeader.Length;
        }

        CryptographicOperations.ZeroMemory(there);
        if (size > response.Length || left > size)
        {
            return new(TransmitStatus.Disconnected, 0, "the response that was begun does not fit");
        }

        IoStatus status = socket.ReceiveExactly(response[((int)size - left)..(int)size], deadline);
        return status == IoStatus.Ok ? new(TransmitStatus.Ok, (int)size) : Failed(status);
    }

    /// <summary>
    /// Receives until nothing is to come but the answers to markers. Returns null on success, or what went wrong.
    /// </summary>
    private TransmitResult? Unexpected(ref byte number)
    {
        Span<byte> scrap = stackalloc byte[TpmHeader.Length];
        TransmitResult rest = ReceiveToMarker(scrap, ref number);
        return rest.Status switch
        {
            TransmitStatus.NotSent => null,
            TransmitStatus.Ok => new(TransmitStatus.Disconnected, 0, "swtpm sent bytes that no command asked for"),
            _ => rest,
        };
    }

    /// <summary>Receives until two markers in a row are answered.</summary>
    /// <param name="response">Takes the one response that may come, where the next process finds it.</param>
    /// <param name="number">The number of the last marker that any process sent.</param>
    private TransmitResult ReceiveToMarker(Span<byte> response, ref byte number)
    {
        TransmitResult found = new(TransmitStatus.NotSent, 0, "swtpm had no command");
        Span<byte> answer = stackalloc byte[TpmHeader.Length];
        int answered = 0;
        int sent = 0;
        for (bool isDue = true; answered < 2;)
        {
            if (isDue && sent++ == MostMarkers)
            {
                return new(TransmitStatus.Disconnected, 0, "swtpm does not answer as a TPM 2.0 does");
            }

            if (isDue && socket.SendAll(SwtpmMarker.Command(++number), deadline) is not IoStatus.Ok and var failed)
            {
                return Failed(failed);
            }

            Span<byte> into = found.Status == TransmitStatus.Ok ? answer : response;
            TransmitResult next = ReceiveOne(into);
            if (next.Status != TransmitStatus.Ok)
            {
                return next;
            }

            bool isLast = SwtpmMarker.IsAnswer(into, number);
            isDue = isLast || SwtpmMarker.IsRefusal(into);
            answered += isLast ? 1 : 0;
            if (isDue || SwtpmMarker.IsAnswer(into))
            {
                into[..TpmHeader.Length].Clear();
            }
            else if (found.Status == TransmitStatus.Ok)
            {
                return new(TransmitStatus.Disconnected, 0, "swtpm sent two responses to one command");
            }
            else
            {
                found = next;
            }
        }

        return found;
    }

    /// <summary>Receives a response, behind which another one may have come.</summary>
    private TransmitResult ReceiveOne(Span<byte> response)
    {
        IoStatus status = socket.ReceiveExactly(response[..TpmHeader.Length], deadline);
        bool isResponse = TpmHeader.TryRead(response, out TpmHeader header)
            && header.Size >= TpmHeader.Length && header.Size <= response.Length;
        if (status == IoStatus.Ok && isResponse)
        {
            status = socket.ReceiveExactly(response[TpmHeader.Length..(int)header.Size], deadline);
        }

        return status != IoStatus.Ok ? Failed(status)
            : isResponse ? new(TransmitStatus.Ok, (int)header.Size)
            : new(TransmitStatus.Disconnected, 0, "the TPM sent bytes that are not a response");
    }

    private TransmitResult Failed(IoStatus status) =>
        SwtpmData.Failed(status, timeout, TransmitStatus.Disconnected);
}
