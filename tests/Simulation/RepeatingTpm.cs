using TpmFs.Tpm;

namespace TpmFs.Simulation;

/// <summary>
/// A TPM in no time: it gives the answers that another one gave to the same commands, without allocating. Commands that
/// were not answered before go to the other one. Only for commands that may be repeated.
/// </summary>
internal sealed class RepeatingTpm(ITpmTransport inner) : ITpmTransport
{
    private readonly List<(byte[] Command, byte[] Response)> _known = [];

    private Action? _sent;

    public TpmTransportFeatures Features => inner.Features;

    /// <summary>Answers are repeated from now on.</summary>
    public bool IsRepeating { get; set; }

    public bool TryConnect(TimeSpan timeout, out string problem) => inner.TryConnect(timeout, out problem);

    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
    {
        if (!IsRepeating)
        {
            return inner.Transmit(command, locality, response, timeout);
        }

        _sent?.Invoke();
        foreach ((byte[] known, byte[] answer) in _known)
        {
            if (command.Span.SequenceEqual(known))
            {
                answer.CopyTo(response);
                return new TransmitResult(TransmitStatus.Ok, answer.Length);
            }
        }

        TransmitResult result = inner.Transmit(command, locality, response, timeout);
        if (result.Status == TransmitStatus.Ok)
        {
            _known.Add((command.ToArray(), response[..result.Length].ToArray()));
        }

        return result;
    }

    public void WhenSent(Action sent)
    {
        _sent = sent;
        inner.WhenSent(sent);
    }

    public void Cancel() => inner.Cancel();

    public void Dispose() => inner.Dispose();
}
