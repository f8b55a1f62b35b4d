using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// A swtpm that another program runs, reached by its data and control sockets. swtpm serves one data connection: while
/// another client has it, commands wait and time out.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class SwtpmTransport(SwtpmAddress address) : ITpmTransport
{
    /// <summary>The word before the colon, its help text, and how the rest is read.</summary>
    public static readonly TransportKind Kind = new(
        "swtpm",
        TryParse,
        new TransportForm(
            "swtpm:path=SOCK", "a swtpm on a UNIX socket, its control channel on SOCK.ctrl", "swtpm:path="),
        new TransportForm("swtpm:host=H,port=P", "a swtpm on TCP, its control channel on port P+1", "swtpm:host="));

    /// <summary>
    /// How long to wait until the control channel says what it can do. It answers at once unless a command runs.
    /// </summary>
    private static readonly TimeSpan s_controlTimeout = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long to wait, after a response, whether swtpm closes the connection. One that does closes it at once.
    /// </summary>
    private static readonly TimeSpan s_closeTimeout = TimeSpan.FromMilliseconds(10);

    /// <summary>
    /// The same limit, after swtpm has once closed a connection later than that: the machine is busy.
    /// </summary>
    private static readonly TimeSpan s_longCloseTimeout = TimeSpan.FromMilliseconds(500);

    private SwtpmLink? _link; // Written by the worker's thread, read by any.
    private SwtpmControl? _control;
    private Action? _sent;
    private Action? _keptChanged;
    private bool _isAdopted;
    private bool _mayFinish; // The connection is the one on which an earlier process sent its last command.
    private SafeHandle? _kept;

    /// <summary>
    /// True when the control channel has not said yet what it can do. It is asked again after the first response.
    /// </summary>
    private bool _mustAskFeatures;

    public TpmTransportFeatures Features { get; private set; }

    public IReadOnlyList<KeptDescriptor> Kept => _kept is { } data ? [new(KeptNames.Data, data)] : [];

    public bool TryConnect(TimeSpan timeout, out string problem)
    {
        var deadline = Deadline.After(timeout);
        if (_isAdopted)
        {
            _isAdopted = false;
            problem = string.Empty;
            return true;
        }

        _mayFinish = false;
        bool closedUnnoticed = _link is { Data.EndedAfterFirstResponse: true };
        Close();
        if (!TryOpenData(deadline, out TpmSocket? socket, out problem))
        {
            return false;
        }

        Debug.Assert(socket is not null, "a connection that was made");
        Link(socket, closedUnnoticed ? s_longCloseTimeout : s_closeTimeout, deadline);
        problem = string.Empty;
        return true;
    }

    public void WhenSent(Action sent)
    {
        _sent = sent;
        if (_link is not null)
        {
            _link.WhenSent = sent;
        }
    }

    public void WhenKeptChanges(Action changed) => _keptChanged = changed;

    /// <summary>Goes on with the data connection that an earlier process had.</summary>
    public bool TryAdopt(IReadOnlyDictionary<string, SafeFileHandle> kept, out string problem)
    {
        _isAdopted = _mayFinish = kept.TryGetValue(KeptNames.Data, out SafeFileHandle? data);
        problem = _isAdopted ? string.Empty : $"the connection to swtpm at {address.Name} was not kept";
        if (_isAdopted)
        {
            Link(TpmSocket.Adopt(data!), s_closeTimeout, Deadline.After(s_controlTimeout));
        }

        return _isAdopted;
    }

    public TransmitResult FinishExchange(bool wasSent, Memory<byte> response, TimeSpan timeout) =>
        _link is null || !_mayFinish
            ? TransmitResult.OnNewWay
            : Noted(_link.Finish(wasSent, response.Span, timeout));

    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
    {
        if (_link is null)
        {
            return new TransmitResult(TransmitStatus.NotSent, 0, $"not connected to swtpm at {address.Name}");
        }

        TransmitResult result = Noted(_link.Transmit(command.Span, locality, response.Span, timeout));
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

    private static bool TryParse(
        string text,
        string rest,
        TransportEnvironment environment,
        [NotNullWhen(true)] out TransportSpec? spec,
        out string problem)
    {
        bool isAddress = SwtpmAddress.TryParse(rest, out SwtpmAddress? address, out problem);
        spec = isAddress ? new TransportSpec(text, () => new SwtpmTransport(address!)) : null;
        return isAddress;
    }

    private void Close()
    {
        Interlocked.Exchange(ref _link, null)?.Dispose();
        Keep(null);
    }

    private void Link(TpmSocket data, TimeSpan watch, Deadline deadline)
    {
        _control = new SwtpmControl(OpenControl, keepsConnection: false);
        _mustAskFeatures = !TryReadFeatures(deadline);
        var link = new SwtpmLink(new SwtpmData(data, TryOpenData, watch), _control, Features) { WhenSent = _sent };
        Volatile.Write(ref _link, link);
        Keep(link.Data.Descriptor);
    }

    /// <summary>Notes after an exchange whether the connection can still be kept.</summary>
    private TransmitResult Noted(TransmitResult result)
    {
        if (_kept is not null && _link!.Data.ClosesAfterResponse)
        {
            Keep(null);
        }

        return result;
    }

    private void Keep(SafeHandle? data)
    {
        if (_kept != data)
        {
            _kept = data;
            _keptChanged?.Invoke();
        }
    }

    /// <summary>
    /// Asks the control channel what it can do. If the channel does not answer in time, swtpm is busy with the command
    /// of an earlier connection, and can do what it could before. If the channel is not there, swtpm can neither cancel
    /// nor set localities.
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
        bool isOpen = TpmSocket.TryConnect(address.Data, deadline, out socket, out string reason);
        problem = isOpen ? string.Empty : $"cannot connect to swtpm at {address.Name}: {reason}";
        return isOpen;
    }

    private bool OpenControl(Deadline deadline, out TpmSocket? socket, out string problem) =>
        TpmSocket.TryConnect(address.Control, deadline, out socket, out problem);
}
