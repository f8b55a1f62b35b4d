using System.Diagnostics;
using System.Runtime.InteropServices;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// Any TCTI that libtss2-tctildr can load. Where it says what to poll(2), the wait for a response is ours, with its deadline, and the TCTI can be
/// cancelled; where it does not, the TCTI's own receive has the timeout, which some take for "no end".
/// </summary>
/// <remarks><see cref="_calls"/> is held during each call of the TCTI, which is not made for two threads. It is taken before <see cref="_gate"/>.</remarks>
internal sealed class TctiTransport(string configuration) : ITpmTransport
{
    private const byte AllLocalities = 4;

    /// <summary>How long a cancel that is on its way may hold up the next command: it must not hit it.</summary>
    private static readonly TimeSpan s_settleTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock _calls = new();
    private readonly Lock _gate = new();
    private TctiContext? _context; // Under _calls.
    private Task _cancel = Task.CompletedTask; // Under _gate.
    private long _running; // Under _gate: counts commands; odd from when one is sent until its response is there.
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

        lock (_calls)
        {
            // What it can do is found out by trying: nothing is under way that a cancel could hit.
            bool hasLocality = made.SetLocality(0) == TctiRc.Success;
            bool canCancel = made.PollHandles().Length > 0 && made.Cancel() != TctiRc.NotImplemented;
            Features = new TpmTransportFeatures(canCancel, hasLocality ? AllLocalities : (byte)0);
            _locality = 0;
            _context = made;
        }

        return true;
    }

    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(response.Length, TpmHeader.Length);
        var deadline = Deadline.After(timeout);
        if (!SettleCancel() || _context is not { } context)
        {
            return new(TransmitStatus.NotSent, 0, $"the TCTI \"{configuration}\" is not connected");
        }

        lock (_gate)
        {
            _isPreparing = true;
            _cancelWanted = false;
        }

        try
        {
            lock (_calls)
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
            }

            Sent();
            return Receive(context, response.Span, deadline, timeout);
        }
        finally
        {
            lock (_gate)
            {
                _running += _running & 1;
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

    /// <summary>The command is with the TPM: from now on a cancel reaches it.</summary>
    private void Sent()
    {
        lock (_gate)
        {
            _running++;
            _isPreparing = false;
            if (_cancelWanted)
            {
                StartCancel();
            }
        }
    }

    private TransmitResult Receive(TctiContext context, Span<byte> response, Deadline deadline, TimeSpan timeout)
    {
        while (true)
        {
            Native.PollDescriptor[] handles = context.PollHandles();
            bool isPolled = handles.Length > 0;
            if (isPolled && !Native.Poll(handles, deadline.SocketTimeout) && !deadline.Passed)
            {
                continue;
            }

            if (deadline.Passed)
            {
                Cancel();
                return new(TransmitStatus.TimedOut, 0, $"no response by the TCTI \"{configuration}\" in {timeout.TotalSeconds:0.###} s");
            }

            uint result;
            int size;
            lock (_calls)
            {
                result = context.Receive(response, isPolled ? -1 : deadline.SocketTimeout, out size);
            }

            if (result == TctiRc.TryAgain)
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
    }

    private TransmitResult Failed(string what, uint result) =>
        new(TransmitStatus.Disconnected, 0, $"the TCTI \"{configuration}\" cannot {what}: {TctiRc.Describe(result)}");

    /// <summary>
    /// Under the gate. By a thread of the pool, since a TCTI's cancel may wait for the command's end; and only for the command that runs now.
    /// </summary>
    private void StartCancel()
    {
        long running = _running;
        if ((running & 1) == 0 || !Features.CanCancel || !_cancel.IsCompleted)
        {
            return;
        }

        _cancel = Task.Run(() =>
        {
            lock (_calls)
            {
                bool runs;
                lock (_gate)
                {
                    runs = _running == running;
                }

                // What a TCTI that cannot do it after all says is of no use to anybody: the command runs on, and the one who waits goes on waiting.
                _ = runs ? _context?.Cancel() : null;
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

    /// <summary>A TCTI in which a cancel hangs is left as it is, with what it has open: to take it away under that thread would be a crash.</summary>
    private void Close()
    {
        if (!SettleCancel())
        {
            _context = null;
            return;
        }

        lock (_calls)
        {
            _context?.Dispose();
            _context = null;
        }
    }
}
