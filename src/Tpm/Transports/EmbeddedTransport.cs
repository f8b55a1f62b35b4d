using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// A swtpm that the daemon starts, with its state in a directory. It inherits its sockets, so nobody else can open
/// them. It ends when they are closed: so it outlives a daemon that is killed as long as a service manager keeps them,
/// and no longer. <see cref="TryConnect"/> starts a swtpm that has died again. <see cref="Dispose"/> stops it after
/// TPM2_Shutdown(TPM_SU_CLEAR): a TPM that ends without one counts a failed authorization against its dictionary-attack
/// protection (Part 1, 19.8.6).
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class EmbeddedTransport(string directory) : ITpmTransport
{
    /// <summary>The word before the colon, its help text, and how the rest is read.</summary>
    public static readonly TransportKind Kind = new(
        "embedded",
        TryParse,
        new TransportForm(
            "embedded[:DIR]", "a software TPM of tpmfs's own (swtpm), its state kept in DIR", "embedded embedded:"));

    /// <summary>
    /// Says how swtpm serves. As a "chardev" it ends as soon as its data socket is closed, whatever command it runs. As
    /// a "socket" that has a command under way, it waits for another connection on a socket that takes none, without
    /// ever sleeping (swtpm's mainloop.c, MAIN_LOOP_FLAG_END_ON_HUP).
    /// </summary>
    private const string Service = "chardev";

    /// <summary>The abilities of an earlier process's swtpm. That process has asked the swtpm for them.</summary>
    private static readonly TpmTransportFeatures s_features = new(CanCancel: true, HighestLocality: 4);

    private static readonly TimeSpan s_stopTimeout = TimeSpan.FromSeconds(5);

    private StateDirectory? _state;
    private ChildProcess? _process; // Written by the worker's thread, read by any.
    private TpmSocket? _controlSocket;
    private SwtpmControl? _control;
    private SwtpmLink? _link; // Written by the worker's thread, read by any.
    private Action? _sent;
    private Action? _keptChanged;
    private bool _isAdopted;
    private bool _mayFinish; // The swtpm is the one to which an earlier process sent its last command.

    public IReadOnlyList<KeptDescriptor> Kept { get; private set; } = [];

    public TpmTransportFeatures Features { get; private set; }

    public int ServerProcess => Volatile.Read(ref _process)?.Id ?? 0;

    public bool TryConnect(TimeSpan timeout, out string problem)
    {
        var deadline = Deadline.After(timeout);
        problem = string.Empty;
        bool isFresh = _isAdopted;
        _isAdopted = false;
        if (isFresh && _process is { IsRunning: true })
        {
            return true;
        }

        _mayFinish = false;
        if (_link is not null && _process is { IsRunning: true } && _link.TryResume(deadline.OrAfter(timeout / 2)))
        {
            return true;
        }

        Abandon();
        return (_state is not null || StateDirectory.TryOpen(directory, out _state, out problem))
            && TryStart(deadline, out problem);
    }

    public TransmitResult Transmit(
        ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout) =>
        _link?.Transmit(command.Span, locality, response.Span, timeout)
        ?? new TransmitResult(TransmitStatus.NotSent, 0, "the embedded swtpm is not running");

    public void WhenSent(Action sent)
    {
        _sent = sent;
        if (_link is not null)
        {
            _link.WhenSent = sent;
        }
    }

    public void WhenKeptChanges(Action changed) => _keptChanged = changed;

    /// <summary>
    /// Goes on with a swtpm that an earlier process started: its sockets were kept, so it runs, with all that it holds.
    /// </summary>
    public bool TryAdopt(IReadOnlyDictionary<string, SafeFileHandle> kept, out string problem)
    {
        if (!kept.TryGetValue(KeptNames.Data, out SafeFileHandle? data)
            || !kept.TryGetValue(KeptNames.Control, out SafeFileHandle? control)
            || !kept.TryGetValue(KeptNames.Output, out SafeFileHandle? output)
            || !kept.TryGetValue(KeptNames.Process, out SafeFileHandle? process))
        {
            KeptDescriptor.Close(kept);
            problem = "not all descriptors of the embedded swtpm were kept";
            return false;
        }

        if (!StateDirectory.TryOpen(directory, out _state, out problem))
        {
            KeptDescriptor.Close(kept);
            return false;
        }

        _process = ChildProcess.Adopt(process, output);
        _controlSocket = TpmSocket.Adopt(control);
        _control = new SwtpmControl(OpenControl, keepsConnection: true, isAdopted: true);
        Link(TpmSocket.Adopt(data), s_features);
        _isAdopted = _mayFinish = _process is not null;
        if (!_isAdopted)
        {
            Abandon();
            problem = "the embedded swtpm has ended";
        }

        return _isAdopted;
    }

    public TransmitResult FinishExchange(bool wasSent, Memory<byte> response, TimeSpan timeout) =>
        _link is null || !_mayFinish
            ? TransmitResult.OnNewWay
            : _link.Finish(wasSent, response.Span, timeout);

    public void Cancel() => Volatile.Read(ref _link)?.Cancel();

    public void Dispose()
    {
        if (_link is not null && _process is { IsRunning: true })
        {
            var deadline = Deadline.After(s_stopTimeout);
            _link.TryResume(deadline);
            TransmitShutdown(_link, deadline);
            _control!.TryShutdown(deadline, out _);
            Interlocked.Exchange(ref _link, null)?.Dispose();
            _process.WaitForExit(deadline);
        }

        Abandon();
        _state?.Dispose();
        _state = null;
    }

    /// <summary>
    /// Without a directory of its own, each TPM has its state in the daemon's: the first in swtpm, the second in
    /// swtpm1, and so on.
    /// </summary>
    private static bool TryParse(
        string text,
        string rest,
        TransportEnvironment environment,
        [NotNullWhen(true)] out TransportSpec? spec,
        out string problem)
    {
        string number = environment.Number == 0
            ? string.Empty
            : environment.Number.ToString(CultureInfo.InvariantCulture);
        string directory = rest.Length > 0 ? rest : Path.Combine(environment.StateDirectory, "swtpm" + number);
        spec = new TransportSpec(text, () => new EmbeddedTransport(directory))
        {
            IsOwn = true,
            DependsOnNumber = rest.Length == 0,
        };
        problem = string.Empty;
        return true;
    }

    /// <summary>
    /// Tells the TPM to shut down. If that fails, the TPM cannot be shut down in order, and the process is ended all
    /// the same.
    /// </summary>
    private static void TransmitShutdown(SwtpmLink link, Deadline deadline)
    {
        Span<byte> command = stackalloc byte[TpmHeader.Length + sizeof(ushort)];
        Span<byte> response = stackalloc byte[TpmHeader.Length];
        var writer = new TpmWriter(command);
        writer.BeginMessage(TpmSt.NoSessions, (uint)TpmCc.Shutdown);
        writer.WriteUInt16((ushort)TpmSu.Clear);
        _ = link.Transmit(writer.FinishMessage(), 0, response, deadline.Remaining);
    }

    private bool TryStart(Deadline deadline, out string problem)
    {
        if (!Executables.TryFind("swtpm", out string? executable))
        {
            problem = "swtpm is not on the PATH; install it (apt install swtpm)";
            return false;
        }

        return _state!.WaitForPredecessor(deadline, out problem) && TryStart(executable, deadline, out problem);
    }

    private bool TryStart(string executable, Deadline deadline, out string problem)
    {
        _process = ChildProcess.Start(executable, Arguments, out TpmSocket? data, out _controlSocket, out problem);
        if (_process is null)
        {
            return false;
        }

        Debug.Assert(data is not null, "a process that was started has its sockets");
        _control = new SwtpmControl(OpenControl, keepsConnection: true);
        if (_control.TryGetFeatures(deadline, out TpmTransportFeatures features, out string reason))
        {
            Link(data, features);
            return true;
        }

        data.Dispose();
        _process.WaitForExit(deadline);
        string output = _process.LastOutput();
        problem = $"swtpm did not start with the state in {directory}: {(output.Length == 0 ? reason : output)}";
        Abandon();
        return false;
    }

    private void Link(TpmSocket data, TpmTransportFeatures features)
    {
        Features = features;
        var link = new SwtpmLink(new SwtpmData(data, open: null, TimeSpan.Zero), _control, features)
        {
            WhenSent = _sent,
        };
        Volatile.Write(ref _link, link);
        Keep(_process?.Descriptor is { } process
            ? [
                new(KeptNames.Data, data.Descriptor), new(KeptNames.Control, _controlSocket!.Descriptor),
                new(KeptNames.Output, _process.Output), new(KeptNames.Process, process),
            ]
            : []);
    }

    private void Keep(IReadOnlyList<KeptDescriptor> kept)
    {
        Kept = kept;
        _keptChanged?.Invoke();
    }

    private bool OpenControl(Deadline deadline, out TpmSocket? socket, out string problem)
    {
        socket = _control is { IsLost: false } ? _controlSocket : null;
        problem = socket is null ? "the embedded swtpm's control channel is lost" : string.Empty;
        return socket is not null;
    }

    private string[] Arguments(int data, int control) =>
    [
        Service, "--tpm2",
        "--tpmstate", $"dir={_state!.Path},mode=0600",
        "--fd", $"{data}",
        "--ctrl", $"type=unixio,clientfd={control}",
        "--flags", "not-need-init",
    ];

    private void Abandon()
    {
        if (Kept.Count > 0)
        {
            Keep([]);
        }

        Interlocked.Exchange(ref _link, null)?.Dispose();
        _control = null;
        _controlSocket?.Dispose();
        _controlSocket = null;
        Interlocked.Exchange(ref _process, null)?.Dispose();
    }
}
