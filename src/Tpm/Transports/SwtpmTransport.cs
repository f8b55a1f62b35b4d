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

    /// <summary>How long swtpm may take to close a connection after its response, where it does that: it does nothing else meanwhile.</summary>
    private static readonly TimeSpan s_closeTimeout = TimeSpan.FromMilliseconds(10);

    /// <summary>The same, on a machine so busy that the first time was too short.</summary>
    private static readonly TimeSpan s_longCloseTimeout = TimeSpan.FromMilliseconds(500);

    private SwtpmLink? _link; // Written by the worker's thread, read by any.
    private SwtpmControl? _control;

    /// <summary>The control channel has not said what it can do, and is to be asked again after the first response.</summary>
    private bool _mustAskFeatures;

    public TpmTransportFeatures Features { get; private set; }

    public bool TryConnect(TimeSpan timeout, out string problem)
    {
        var deadline = Deadline.After(timeout);
        bool closedUnnoticed = _link is { Data.EndedAfterFirstResponse: true };
        Close();
        if (!TryOpenData(deadline, out TpmSocket? socket, out problem))
        {
            return false;
        }

        _control = new SwtpmControl(OpenControl, keepsConnection: false);
        _mustAskFeatures = !TryReadFeatures(deadline);

        Debug.Assert(socket is not null, "a connection that was made");
        var channel = new SwtpmData(socket, TryOpenData, closedUnnoticed ? s_longCloseTimeout : s_closeTimeout);
        Volatile.Write(ref _link, new SwtpmLink(channel, _control, Features));
        problem = string.Empty;
        return true;
    }

    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
    {
        if (_link is null)
        {
            return new TransmitResult(TransmitStatus.NotSent, 0, $"not connected to swtpm at {name}");
        }

        TransmitResult result = _link.Transmit(command.Span, locality, response.Span, timeout);
        if (_mustAskFeatures && result.Status == TransmitStatus.Ok)
        {
            _mustAskFeatures = false;
            if (TryReadFeatures(Deadline.After(s_controlTimeout)))
            {
                _link.Learn(Features);
            }
        }

        return result;
    }

    public void Cancel() => Volatile.Read(ref _link)?.Cancel();

    public void Dispose() => Close();

    private void Close() => Interlocked.Exchange(ref _link, null)?.Dispose();

    /// <summary>
    /// Asks the control channel what it can do. One that does not answer in time, because swtpm is busy with what an earlier connection
    /// asked, can do what it could before; one that is not there can do nothing.
    /// </summary>
    private bool TryReadFeatures(Deadline deadline)
    {
        Deadline limit = deadline.OrAfter(s_controlTimeout);
        bool isRead = _control!.TryGetFeatures(limit, out TpmTransportFeatures features, out _);
        Features = isRead || !limit.Passed ? features : Features;
        return isRead;
    }

    private bool TryOpenData(Deadline deadline, out TpmSocket? socket, out string problem)
    {
        bool isOpen = TpmSocket.TryConnect(data, deadline, out socket, out string reason);
        problem = isOpen ? string.Empty : $"cannot connect to swtpm at {name}: {reason}";
        return isOpen;
    }

    private bool OpenControl(Deadline deadline, out TpmSocket? socket, out string problem) =>
        TpmSocket.TryConnect(control, deadline, out socket, out problem);
}
