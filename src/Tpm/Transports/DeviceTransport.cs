using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// A TPM device of the kernel, such as /dev/tpm0, or a file that behaves as one, such as another TpmFs's raw0. It is opened with
/// O_NONBLOCK, so that the kernel carries the command out by a thread of its own and read(2) has the result (drivers/char/tpm/tpm-dev-common.c).
/// </summary>
/// <remarks>
/// The kernel opens a TPM once, gives up a command after its own time limits (read says ETIME), has no cancel for a TPM 2.0 and sets locality
/// 0 only. Its poll(2) waits, uninterruptibly, for the command that runs, whatever timeout it was given. A device that goes away keeps
/// its number while it is open, so one that is taken off is closed at once: when it comes back it can have its name again.
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed class DeviceTransport(string path) : ITpmTransport
{
    /// <summary>TPM_BUFSIZE of the kernel's driver; a larger command is E2BIG.</summary>
    private const int KernelBuffer = 4096;

    /// <summary>More than the two clocks can be apart by themselves, less than a machine sleeps.</summary>
    private static readonly TimeSpan s_shortestSleep = TimeSpan.FromMilliseconds(500);

    private readonly DeviceHolders _holders = new(path);
    private readonly Lock _gate = new();
    private SafeFileHandle? _device; // Under _gate.
    private bool _isBusy; // Under _gate: a command is under way, and whoever runs it closes the device.
    private bool _isTakenOff; // Under _gate.
    private FileSystemWatcher? _watcher;

    public TpmTransportFeatures Features { get; private set; }

    public bool TryConnect(TimeSpan timeout, out string problem)
    {
        Close();
        SafeFileHandle? opened = DeviceNode.TryOpen(path, _holders, out bool isCharacterDevice, out problem);
        if (opened is null)
        {
            return false;
        }

        Features = new TpmTransportFeatures(CanCancel: false, HighestLocality: 0, isCharacterDevice ? KernelBuffer : null);
        lock (_gate)
        {
            _isTakenOff = false;
            _device = opened;
        }

        if (isCharacterDevice)
        {
            Watch();
        }

        return true;
    }

    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(response.Length, TpmHeader.Length);
        if (locality != 0)
        {
            return new(TransmitStatus.LocalityRefused, 0, $"{path} has locality 0 only");
        }

        SafeFileHandle? device;
        lock (_gate)
        {
            device = _device;
            _isBusy = device is not null;
        }

        if (device is null)
        {
            return new(TransmitStatus.NotSent, 0, $"{path} is not open");
        }

        TransmitResult result = Exchange(device, command.Span, response.Span, timeout);
        lock (_gate)
        {
            _isBusy = false;
            if (_isTakenOff)
            {
                CloseDevice();
            }
        }

        return result;
    }

    /// <summary>The kernel has no way to cancel what a TPM 2.0 does: sysfs has one for TPM 1.2 alone.</summary>
    public void Cancel()
    {
    }

    public void Dispose() => Close();

    private TransmitResult Exchange(SafeFileHandle device, ReadOnlySpan<byte> command, Span<byte> response, TimeSpan timeout)
    {
        var deadline = Deadline.After(timeout);
        TimeSpan asleep = BootClock.TimeAsleep();
        Errno error = FileCalls.Write(device, command);
        if (error.IsError)
        {
            return new(IsRefusal(error) ? TransmitStatus.CommandRefused : TransmitStatus.NotSent, 0, $"{path} does not take a command: {error.Text()}");
        }

        error = Receive(device, response, deadline, out int received, out string? problem);
        return error switch
        {
            { IsError: false } when problem is null => new(TransmitStatus.Ok, received),
            { IsError: false } => new(TransmitStatus.Disconnected, 0, $"{path}: {problem}"),
            _ when IsRefusal(error) => new(TransmitStatus.CommandRefused, 0, $"{path} does not take the command: {error.Text()}"),
            _ when error == Errno.ETIME => new(TransmitStatus.TimedOut, 0, $"no response from {path} in {timeout.TotalSeconds:0.###} s"),

            // A command that the machine's sleep met is refused by a driver that sleeps already: the TPM has not had it.
            _ when BootClock.TimeAsleep() - asleep > s_shortestSleep => new(TransmitStatus.NotSent, 0, $"the machine slept while {path} had a command"),
            _ => new(TransmitStatus.Disconnected, 0, $"{path} gives no response: {error.Text()}"),
        };
    }

    /// <summary>
    /// What drivers say of a command that they do not send, to write(2) or, when they have looked at it later, to read(2). Their buffer may be smaller than
    /// the kernel's.
    /// </summary>
    private static bool IsRefusal(Errno error) => error == Errno.E2BIG || error == Errno.EINVAL;

    /// <summary>Receives a whole response, in however many pieces it comes.</summary>
    /// <returns>The error; success with a problem for what is no response.</returns>
    private static Errno Receive(SafeFileHandle device, Span<byte> response, Deadline deadline, out int received, out string? problem)
    {
        received = 0;
        problem = null;
        while (true)
        {
            int count = 0;
            Errno error = WaitUntilReadable(device, deadline);
            error = error.IsError ? error : FileCalls.Read(device, response[received..], out count);
            if (error == Errno.EAGAIN || error == Errno.EINTR)
            {
                continue;
            }

            if (error.IsError)
            {
                return error;
            }

            received += count;
            if (TpmHeader.TryRead(response[..received], out TpmHeader header))
            {
                bool isResponse = header.Size >= TpmHeader.Length && header.Size <= response.Length && received <= header.Size;
                if (!isResponse || received == header.Size)
                {
                    problem = isResponse ? null : $"{received} bytes came of a response that says it is {header.Size} bytes long";
                    return Errno.None;
                }
            }

            if (count == 0)
            {
                problem = $"the response ends after {received} bytes";
                return Errno.None;
            }
        }
    }

    /// <summary>Waits for a response. An error of the device is left to read(2).</summary>
    private static Errno WaitUntilReadable(SafeFileHandle device, Deadline deadline)
    {
        while (true)
        {
            Errno error = Polling.Wait(device, deadline.SocketTimeout, out bool isReady);
            if (isReady || (error.IsError && error != Errno.EINTR))
            {
                return error;
            }

            if (deadline.Passed)
            {
                return Errno.ETIME;
            }
        }
    }

    private void Watch()
    {
        if (_watcher is not null)
        {
            return;
        }

        try
        {
            _watcher = new FileSystemWatcher(Path.GetDirectoryName(path)!, Path.GetFileName(path)) { NotifyFilter = NotifyFilters.FileName };
            _watcher.Deleted += (_, _) => TakenOff();
            _watcher.EnableRaisingEvents = true;
        }
        catch (IOException)
        {
            // No inotify instance is left (inotify(7)): that the device was taken off shows at the next command instead.
            _watcher?.Dispose();
            _watcher = null;
        }
    }

    private void TakenOff()
    {
        lock (_gate)
        {
            _isTakenOff = true;
            if (!_isBusy)
            {
                CloseDevice();
            }
        }
    }

    private void Close()
    {
        _watcher?.Dispose();
        _watcher = null;
        TakenOff();
    }

    /// <summary>Under the lock.</summary>
    private void CloseDevice()
    {
        _device?.Dispose();
        _device = null;
    }
}
