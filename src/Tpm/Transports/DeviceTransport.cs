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

    private readonly DeviceHolders _holders = new(path);
    private readonly Lock _gate = new();
    private SafeFileHandle? _device; // Under _gate.
    private bool _isBusy; // Under _gate: a command is under way, and whoever runs it closes the device.
    private bool _isTakenOff; // Under _gate.
    private FileSystemWatcher? _watcher;
    private Action? _sent;
    private Action? _keptChanged;
    private bool _isAdopted;
    private bool _mayFinish; // The device was opened by the earlier process that sent its last command.

    public IReadOnlyList<KeptDescriptor> Kept
    {
        get
        {
            using Lock.Scope held = _gate.EnterScope();
            return _device is { } device ? [new(KeptNames.Device, device)] : [];
        }
    }

    public TpmTransportFeatures Features { get; private set; }

    public bool TryConnect(TimeSpan timeout, out string problem)
    {
        if (_isAdopted)
        {
            _isAdopted = false;
            problem = string.Empty;
            return true;
        }

        _mayFinish = false;
        Close();
        SafeFileHandle? opened = DeviceNode.TryOpen(path, _holders, out bool isCharacterDevice, out problem);
        if (opened is null)
        {
            return false;
        }

        Use(opened, isCharacterDevice);
        return true;
    }

    public void WhenSent(Action sent) => _sent = sent;

    public void WhenKeptChanges(Action changed) => _keptChanged = changed;

    /// <summary>
    /// Goes on with the device as an earlier process had it open. Nobody else can have opened a TPM's device since.
    /// </summary>
    public bool TryAdopt(IReadOnlyDictionary<string, SafeFileHandle> kept, out string problem)
    {
        _isAdopted = _mayFinish = kept.TryGetValue(KeptNames.Device, out SafeFileHandle? device);
        problem = _isAdopted ? string.Empty : $"{path} was not kept open";
        if (_isAdopted)
        {
            Use(device!, DeviceNode.IsCharacterDevice(device!));
        }

        return _isAdopted;
    }

    public TransmitResult FinishExchange(bool wasSent, Memory<byte> response, TimeSpan timeout)
    {
        if (!_mayFinish || !TryBegin(out SafeFileHandle? device))
        {
            return TransmitResult.OnNewWay;
        }

        TransmitResult result = DeviceExchange.Finish(device, path, wasSent, response.Span, timeout);
        End();
        return result;
    }

    public TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(response.Length, TpmHeader.Length);
        if (locality != 0)
        {
            return new(TransmitStatus.LocalityRefused, 0, $"{path} has locality 0 only");
        }

        if (!TryBegin(out SafeFileHandle? device))
        {
            return new(TransmitStatus.NotSent, 0, $"{path} is not open");
        }

        TransmitResult result = DeviceExchange.Run(device, path, command.Span, response.Span, timeout, _sent);
        End();
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

    private void Use(SafeFileHandle device, bool isCharacterDevice)
    {
        int? largest = isCharacterDevice ? KernelBuffer : null;
        Features = new TpmTransportFeatures(CanCancel: false, HighestLocality: 0, largest);
        lock (_gate)
        {
            _isTakenOff = false;
            _device = device;
        }

        if (isCharacterDevice)
        {
            Watch();
        }

        _keptChanged?.Invoke();
    }

    /// <summary>Begins to use the device, which is not closed before <see cref="End"/>.</summary>
    private bool TryBegin([NotNullWhen(true)] out SafeFileHandle? device)
    {
        lock (_gate)
        {
            device = _device;
            _isBusy = device is not null;
            return _isBusy;
        }
    }

    private void End()
    {
        lock (_gate)
        {
            _isBusy = false;
        }

        CloseUnused();
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
        }

        CloseUnused();
    }

    private void Close()
    {
        _watcher?.Dispose();
        _watcher = null;
        TakenOff();
    }

    /// <summary>
    /// Closes a device that was taken off, unless a command is under way. The keeper of a copy of its descriptor must
    /// close the copy, too: the kernel lets nobody open a TPM that is open.
    /// </summary>
    private void CloseUnused()
    {
        SafeFileHandle? closed;
        lock (_gate)
        {
            closed = _isTakenOff && !_isBusy ? _device : null;
            _device = closed is null ? _device : null;
        }

        if (closed is not null)
        {
            closed.Dispose();
            _keptChanged?.Invoke();
        }
    }
}
