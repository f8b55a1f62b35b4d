using System.Diagnostics;
using System.Net;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// A swtpm that somebody else runs, over its data and control sockets. swtpm serves one data connection: while another client has it,
/// commands wait, and time out.
/// </summary>
/// <param name="name">The address, for messages.</param>
internal sealed class SwtpmTransport(string name, EndPoint data, EndPoint control) : ITpmTransport
{
    /// <summary>How long the control channel may take to say what it can do: it answers at once unless a command runs.</summary>
    private static readonly TimeSpan s_controlTimeout = TimeSpan.FromSeconds(1);

    private SwtpmLink? _link; // Written by the worker's thread, read by any.

    public TpmTransportFeatures Features { get; private set; }

    public bool TryConnect(TimeSpan timeout, out string problem)
    {
        var deadline = Deadline.After(timeout);
        Close();
        if (!TpmSocket.TryConnect(data, deadline, out TpmSocket? socket, out string reason))
        {
            problem = $"cannot connect to swtpm at {name}: {reason}. Is it running?";
            return false;
        }

        var channel = new SwtpmControl(OpenControl, keepsConnection: false);

        // One that does not answer now, because swtpm is busy with what an earlier connection asked, can do what it could before.
        if (channel.TryGetFeatures(deadline.OrAfter(s_controlTimeout), out TpmTransportFeatures features, out _))
        {
            Features = features;
        }

        Debug.Assert(socket is not null, "a connection that was made");
        Volatile.Write(ref _link, new SwtpmLink(socket, channel, Features));
        problem = string.Empty;
        return true;
    }

    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout) =>
        _link?.Transmit(command.Span, locality, response.Span, timeout)
        ?? new TransmitResult(TransmitStatus.NotSent, 0, $"not connected to swtpm at {name}");

    public void Cancel() => Volatile.Read(ref _link)?.Cancel();

    public void Dispose() => Close();

    private void Close() => Interlocked.Exchange(ref _link, null)?.Dispose();

    private bool OpenControl(Deadline deadline, out TpmSocket? socket, out string problem) =>
        TpmSocket.TryConnect(control, deadline, out socket, out problem);
}
