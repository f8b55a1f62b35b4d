using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// Any TCTI that libtss2-tctildr can load. Where the TCTI says what to poll(2), this class waits for the response, with
/// a deadline, and the TCTI can be cancelled. Where it does not, the TCTI's own receive function gets the timeout,
/// which some TCTIs take for no limit.
/// </summary>
/// <remarks>
/// <see cref="TctiContext.Calls"/> is held during each call, since TCTIs are not made for two threads. It is taken
/// before <see cref="_gate"/>, and with a time limit wherever a call that hangs may hold it.
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed class TctiTransport(string configuration) : ITpmTransport
{
    /// <summary>The word before the colon, its help text, and how the rest is read.</summary>
    public static readonly TransportKind Kind = new(
        "tcti",
        TryParse,
        new TransportForm(
            "tcti:CONF", "whatever libtss2-tctildr can load, such as tcti:mssim:host=localhost", "tcti:"));

    private const string DeviceTcti = "device";
    private const byte AllLocalities = 4;

    /// <summary>
    /// The time to wait for a call that is under way, most often a cancel, before the next command: a cancel must not
    /// reach that command.
    /// </summary>
    private static readonly TimeSpan s_settleTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private TctiContext? _context; // Under _gate.
    private Task _cancel = Task.CompletedTask; // Under _gate.
    private bool _isPreparing; // Under _gate.
    private bool _cancelWanted; // Under _gate.
    private byte _locality;

    /// <summary>
    /// Counts commands, under <see cref="_gate"/>. Odd from the moment when a command is sent until its response is
    /// there or the TCTI is given up.
    /// </summary>
    private long _running;

    public TpmTransportFeatures Features { get; private set; }

    public bool TryConnect(TimeSpan timeout, out string problem)
    {
        Close();
        TctiContext? made = TctiLibrary.TryInitialize(configuration, out problem);
        if (made is null)
        {
            return false;
        }

        // A TCTI does not say what it can do, so it is tried. No command is under way that the cancel could reach.
        bool hasLocality = made.SetLocality(0) == TctiRc.Success;
        bool canCancel = !CancelsBadly && made.PollHandles().Length > 0 && made.Cancel() != TctiRc.NotImplemented;
        Features = new TpmTransportFeatures(canCancel, hasLocality ? AllLocalities : (byte)0);
        _locality = 0;
        lock (_gate)
        {
            _context = made;
        }

        return true;
    }

    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(response.Length, TpmHeader.Length);
        var deadline = Deadline.After(timeout);
        if (!SettleCancel() || Prepare() is not { } context)
        {
            return new(TransmitStatus.NotSent, 0, $"{Name} is not connected");
        }

        bool isOver = true;
        try
        {
            PollDescriptor[] handles;
            lock (context.Calls)
            {
                uint result = locality == _locality ? TctiRc.Success : context.SetLocality(locality);
                if (result != TctiRc.Success)
                {
                    string problem = $"{Name} does not set locality {locality}: {TctiRc.Describe(result)}";
                    return new(TransmitStatus.LocalityRefused, 0, problem);
                }

                _locality = locality;
                result = context.Transmit(command.Span);
                if (result != TctiRc.Success)
                {
                    return Failed("send", result);
                }

                handles = context.PollHandles();
            }

            Sent();
            TransmitResult received = Receive(context, handles, response.Span, deadline, timeout);
            isOver = received.Status != TransmitStatus.TimedOut;
            return received;
        }
        finally
        {
            lock (_gate)
            {
                _running += isOver ? _running & 1 : 0;
                _isPreparing = false;
            }
        }
    }

    public void Cancel()
    {
        lock (_gate)
        {
            _cancelWanted |= _isPreparing;
            StartCancel();
        }
    }

    public void Dispose() => Close();

    /// <summary>
    /// The TCTI "device" leads to a TPM of the kernel. It needs a path here: without one it may choose /dev/tpmrm0.
    /// </summary>
    private static bool TryParse(
        string text,
        string rest,
        TransportEnvironment environment,
        [NotNullWhen(true)] out TransportSpec? spec,
        out string problem)
    {
        bool isDevice = rest == DeviceTcti || rest.StartsWith(DeviceTcti + ":", StringComparison.Ordinal);
        problem = rest.Length == 0
            ? "tcti needs the configuration of a TCTI as TSS programs take it, "
                + "such as tcti:mssim:host=localhost,port=2321"
            : string.Empty;
        bool isValid = rest.Length > 0
            && (!isDevice || DeviceNode.MayBeDevice(
                rest[Math.Min(DeviceTcti.Length + 1, rest.Length)..], environment, out problem));
        spec = isValid ? new TransportSpec(text, () => new TctiTransport(rest)) { IsShared = isDevice } : null;
        return isValid;
    }

    /// <summary>The TCTI, for messages.</summary>
    private string Name => $"the TCTI \"{configuration}\"";

    /// <summary>
    /// True for tcti-mssim, which regards a cancelled command as over: nobody can receive its response any more, and
    /// the simulator cancels each command until it has answered one.
    /// </summary>
    private bool CancelsBadly =>
        Path.GetFileName(configuration.Split(':')[0]).Contains("mssim", StringComparison.Ordinal);

    /// <summary>Notes that a command is about to be sent. Returns null when there is no TCTI to send it with.</summary>
    private TctiContext? Prepare()
    {
        lock (_gate)
        {
            _isPreparing = _context is not null;
            _cancelWanted = false;
            return _context;
        }
    }

    /// <summary>Notes that the TPM has the command. From now on a cancel reaches it.</summary>
    private void Sent()
    {
        lock (_gate)
        {
            _running = (_running | 1) + 2;
            _isPreparing = false;
            if (_cancelWanted)
            {
                StartCancel();
            }
        }
    }

    /// <param name="handles">The descriptors to poll(2); empty where the TCTI does not name them.</param>
    private TransmitResult Receive(
        TctiContext context, PollDescriptor[] handles, Span<byte> response, Deadline deadline, TimeSpan timeout)
    {
        if (!TctiReceiver.TryReceive(context, handles, response, deadline, out uint result, out int size))
        {
            Cancel();
            string limit = string.Create(CultureInfo.InvariantCulture, $"{timeout.TotalSeconds:0.###} s");
            return new(TransmitStatus.TimedOut, 0, $"no response from {Name} in {limit}");
        }

        if (result != TctiRc.Success)
        {
            return Failed("receive", result);
        }

        return TpmHeader.TryRead(response[..size], out TpmHeader header) && header.Size == size
            ? new(TransmitStatus.Ok, size)
            : new(TransmitStatus.Disconnected, 0, $"{Name} gave {size} bytes that are not a response");
    }

    private TransmitResult Failed(string what, uint result) =>
        new(TransmitStatus.Disconnected, 0, $"{Name} cannot {what}: {TctiRc.Describe(result)}");

    /// <summary>
    /// Starts to cancel the command that runs now, on a thread of the pool, since a TCTI's cancel may wait for the
    /// command's end. The caller holds the gate.
    /// </summary>
    private void StartCancel()
    {
        long running = _running;
        if ((running & 1) == 0 || !Features.CanCancel || !_cancel.IsCompleted || _context is not { } context)
        {
            return;
        }

        _cancel = Task.Run(() =>
        {
            lock (context.Calls)
            {
                bool runs;
                lock (_gate)
                {
                    runs = _running == running;
                }

                // The result does not matter: where the TCTI cannot cancel after all, the command runs on, and its
                // sender goes on waiting.
                _ = runs ? context.Cancel() : TctiRc.Success;
            }
        });
    }

    /// <summary>
    /// Waits until no cancel is under way. Returns false when one hangs: then no other thread can use the TCTI or close
    /// it.
    /// </summary>
    private bool SettleCancel()
    {
        Task cancel;
        lock (_gate)
        {
            cancel = _cancel;
        }

        return cancel.Wait(s_settleTimeout);
    }

    /// <summary>
    /// Closes the TCTI. One in which a call hangs stays open with all that it holds: closing it under that thread would
    /// crash the process. The next TCTI shares nothing with it.
    /// </summary>
    private void Close()
    {
        bool isSettled = SettleCancel();
        TctiContext? context;
        lock (_gate)
        {
            (context, _context) = (_context, null);
            _running += _running & 1;
            _cancel = Task.CompletedTask;
        }

        if (context is null || !isSettled || !context.Calls.TryEnter(s_settleTimeout))
        {
            return;
        }

        try
        {
            context.Dispose();
        }
        finally
        {
            context.Calls.Exit();
        }
    }
}
