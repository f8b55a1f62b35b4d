using System.Diagnostics;
using System.Runtime.InteropServices;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// Any TCTI that libtss2-tctildr can load. Where it says what to poll(2), the wait for a response is ours, with its deadline, and the TCTI can be
/// cancelled; where it does not, the TCTI's own receive has the timeout, which some take for "no end".
/// </summary>
/// <remarks>
/// <see cref="TctiContext.Calls"/> is held during each call of a TCTI, which is not made for two threads. It is taken before <see cref="_gate"/>, and with a
/// limit wherever a call that does not come back may hold it.
/// </remarks>
internal sealed class TctiTransport(string configuration) : ITpmTransport
{
    private const byte AllLocalities = 4;

    /// <summary>How long a call that is under way, a cancel above all, may hold up what comes next: it must not hit the next command.</summary>
    private static readonly TimeSpan s_settleTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private TctiContext? _context; // Under _gate.
    private Task _cancel = Task.CompletedTask; // Under _gate.
    private long _running; // Under _gate: counts commands; odd from when one is sent until its response is there, or the TCTI is given up.
    private bool _isPreparing; // Under _gate.
    private bool _cancelWanted; // Under _gate.
    private byte _locality;

    public TpmTransportFeatures Features { get; private set; }

    public bool TryConnect(TimeSpan timeout, out string problem)
    {
        Close();
        TctiContext? made = TctiLibrary.TryInitialize(configuration, out problem);
        if (made is null)
        {
            return false;
        }

        // What it can do is found out by trying: nothing is under way that a cancel could hit.
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
            return new(TransmitStatus.NotSent, 0, $"the TCTI \"{configuration}\" is not connected");
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
                    return new(TransmitStatus.LocalityRefused, 0, $"the TCTI \"{configuration}\" does not set locality {locality}: {TctiRc.Describe(result)}");
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
    /// tcti-mssim takes a cancelled command for one that is over: its response cannot be received any more, and the simulator goes on
    /// cancelling until the next one's was.
    /// </summary>
    private bool CancelsBadly => Path.GetFileName(configuration.Split(':')[0]).Contains("mssim", StringComparison.Ordinal);

    /// <summary>A command is about to be sent. Null when there is nothing to send it by.</summary>
    private TctiContext? Prepare()
    {
        lock (_gate)
        {
            _isPreparing = _context is not null;
            _cancelWanted = false;
            return _context;
        }
    }

    /// <summary>The command is with the TPM: from now on a cancel reaches it.</summary>
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

    /// <param name="handles">What to poll; empty where the TCTI does not say.</param>
    private TransmitResult Receive(
        TctiContext context, PollDescriptor[] handles, Span<byte> response, Deadline deadline, TimeSpan timeout)
    {
        while (!deadline.Passed)
        {
            bool isReady = handles.Length == 0 || Polling.Wait(handles, deadline.SocketTimeout);
            if (!isReady || !TryReceive(context, response, deadline, out uint result, out int size) || result == TctiRc.TryAgain)
            {
                continue;
            }

            if (result != TctiRc.Success)
            {
                return Failed("receive", result);
            }

            return TpmHeader.TryRead(response[..size], out TpmHeader header) && header.Size == size
                ? new(TransmitStatus.Ok, size)
                : new(TransmitStatus.Disconnected, 0, $"the TCTI \"{configuration}\" gives {size} bytes that are no response");
        }

        Cancel();
        return new(TransmitStatus.TimedOut, 0, $"no response by the TCTI \"{configuration}\" in {timeout.TotalSeconds:0.###} s");
    }

    /// <summary>False when a cancel has the TCTI until the deadline.</summary>
    private static bool TryReceive(TctiContext context, Span<byte> response, Deadline deadline, out uint result, out int size)
    {
        (result, size) = (TctiRc.TryAgain, 0);
        if (!context.Calls.TryEnter(deadline.Remaining))
        {
            return false;
        }

        try
        {
            result = context.Receive(response, deadline.SocketTimeout, out size);
            return true;
        }
        finally
        {
            context.Calls.Exit();
        }
    }

    private TransmitResult Failed(string what, uint result) =>
        new(TransmitStatus.Disconnected, 0, $"the TCTI \"{configuration}\" cannot {what}: {TctiRc.Describe(result)}");

    /// <summary>
    /// Under the gate. By a thread of the pool, since a TCTI's cancel may wait for the command's end; and only for the command that runs now.
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

                // What a TCTI that cannot do it after all says is of no use to anybody: the command runs on, and the one who waits goes on waiting.
                _ = runs ? context.Cancel() : TctiRc.Success;
            }
        });
    }

    /// <summary>Waits until no cancel is on its way. False when one does not come back: the TCTI can be neither used nor given up by another thread.</summary>
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
    /// A TCTI in which a call hangs is left as it is, with what it has open: to take it away under that thread would be a crash. The next one
    /// has nothing in common with it.
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
