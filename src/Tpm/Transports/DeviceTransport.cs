using System.Diagnostics.CodeAnalysis;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// A TPM device of the kernel, such as /dev/tpm0, or a file that behaves like one, such as raw0 of another TpmFs. It is
/// opened with O_NONBLOCK: a thread of the kernel carries the command out, and read(2) returns the result
/// (drivers/char/tpm/tpm-dev-common.c).
/// </summary>
/// <remarks>
/// The kernel lets one program open a TPM, gives a command up after time limits of its own (read(2) then fails with
/// ETIME), cannot cancel a command of a TPM 2.0, and sets locality 0 only. Its poll(2) waits for the command that runs,
/// uninterruptibly and whatever its timeout. A device that is taken off keeps its number while it is open. So it is
/// closed at once, and can have its name again when it comes back.
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed class DeviceTransport(string path) : ITpmTransport
{
    /// <summary>The word before the colon, its help text, and how the rest is read.</summary>
    public static readonly TransportKind Kind = new(
        "device",
        TryParse,
        new TransportForm("device:PATH", "a TPM of the machine, such as device:/dev/tpm0", "device:/dev/tpm0"));

    /// <summary>TPM_BUFSIZE of the kernel's driver, which refuses a larger command with E2BIG.</summary>
    private const int KernelBuffer = 4096;

    /// <summary>Longer than the two clocks may differ by themselves, and shorter than any sleep of a machine.</summary>
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

        int? largest = isCharacterDevice ? KernelBuffer : null;
        Features = new TpmTransportFeatures(CanCancel: false, HighestLocality: 0, largest);
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

    /// <summary>
    /// Does nothing: the kernel cannot cancel a command of a TPM 2.0. sysfs has a way for TPM 1.2 only.
    /// </summary>
    public void Cancel()
    {
    }

    public void Dispose() => Close();

    private static bool TryParse(
        string text,
        string rest,
        TransportEnvironment environment,
        [NotNullWhen(true)] out TransportSpec? spec,
        out string problem)
    {
        bool isPath = DeviceNode.MayBeDevice(rest, environment, out problem);
        spec = isPath
            ? new(text, () => new DeviceTransport(Path.GetFullPath(rest))) { MayAppear = true, IsShared = true }
            : null;
        return isPath;
    }

    private TransmitResult Exchange(
        SafeFileHandle device, ReadOnlySpan<byte> command, Span<byte> response, TimeSpan timeout)
    {
        var deadline = Deadline.After(timeout);
        TimeSpan asleep = BootClock.TimeAsleep();
        Errno error = FileCalls.Write(device, command);
        if (error.IsError)
        {
            TransmitStatus status = IsRefusal(error) ? TransmitStatus.CommandRefused : TransmitStatus.NotSent;
            return new(status, 0, $"{path} does not take a command: {error.Text()}");
        }

        error = Receive(device, response, deadline, out int received, out string? problem);
        return error switch
        {
            { IsError: false } when problem is null => new(TransmitStatus.Ok, received),
            { IsError: false } => new(TransmitStatus.Disconnected, 0, $"{path}: {problem}"),
            _ when IsRefusal(error) => new(
                TransmitStatus.CommandRefused, 0, $"{path} does not take the command: {error.Text()}"),
            _ when error == Errno.ETIME => new(
                TransmitStatus.TimedOut, 0, $"no response from {path} in {timeout.TotalSeconds:0.###} s"),

            // While the machine goes to sleep, a driver that sleeps already refuses commands. The TPM has not had this
            // one.
            _ when BootClock.TimeAsleep() - asleep > s_shortestSleep => new(
                TransmitStatus.NotSent, 0, $"the machine slept while {path} had a command"),
            _ => new(TransmitStatus.Disconnected, 0, $"{path} gives no response: {error.Text()}"),
        };
    }

    /// <summary>
    /// Returns true when a driver has refused a command for what it is, most often for its size, and has not sent it.
    /// Drivers refuse at write(2), or at read(2) when they look at the command later. Their buffers may be smaller than
    /// the kernel's.
    /// </summary>
    private static bool IsRefusal(Errno error) => error == Errno.E2BIG || error == Errno.EINVAL;

    /// <summary>Receives a whole response, which may come in several pieces.</summary>
    /// <returns>The error; none, with a problem, when what came is not a response.</returns>
    private static Errno Receive(
        SafeFileHandle device, Span<byte> response, Deadline deadline, out int received, out string? problem)
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
                bool isResponse = header.Size >= TpmHeader.Length
                    && header.Size <= response.Length
                    && received <= header.Size;
                if (!isResponse || received == header.Size)
                {
                    problem = isResponse
                        ? null
                        : $"{received} bytes came of a response that says it is {header.Size} bytes long";
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

    /// <summary>Waits for a response. An error of the device shows at the read(2) that follows.</summary>
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
            _watcher = new FileSystemWatcher(Path.GetDirectoryName(path)!, Path.GetFileName(path))
            {
                NotifyFilter = NotifyFilters.FileName,
            };
            _watcher.Deleted += (_, _) => TakenOff();
            _watcher.EnableRaisingEvents = true;
        }
        catch (IOException)
        {
            // No inotify instance is left (inotify(7)). The next command shows that the device was taken off.
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

    /// <summary>Closes the device. The caller holds <see cref="_gate"/>.</summary>
    private void CloseDevice()
    {
        _device?.Dispose();
        _device = null;
    }
}
