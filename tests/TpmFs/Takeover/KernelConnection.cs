using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TpmFs.Fuse;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;
using TpmFs.Mirror;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>
/// A connection of the kernel with a daemon, which outlives the daemon. The kernel waits for each request's answer and
/// takes one only; the daemon that lives has a session on it.
/// </summary>
internal sealed class KernelConnection
{
    /// <summary>The most bytes of a request.</summary>
    public const int Room = 16 * 1024;

    private readonly KilledDaemon _daemon;
    private readonly Deaths _deaths;
    private readonly Dictionary<ulong, KilledDaemon.Answer?> _requests = [];
    private readonly Queue<byte[]> _unread = new();
    private readonly HashSet<ulong> _woken = [];
    private RequestDispatcher? _dispatcher;
    private SessionRecords? _session;
    private RequestSlot? _slot;

    public KernelConnection(KilledDaemon daemon, Deaths deaths)
    {
        (_daemon, _deaths) = (daemon, deaths);
        daemon.Connections.Add(this);
    }

    /// <summary>True when the daemon has closed it.</summary>
    public bool IsGone { get; private set; }

    /// <summary>Gets what the daemon that lives took over.</summary>
    public FuseTakenOver TakenOver { get; private set; }

    /// <summary>Sends a request, which the daemon reads when it serves the connection.</summary>
    /// <returns>The request's number.</returns>
    public ulong Queue(FuseOpcode opcode, ulong node, byte[] body, FuseCaller? caller = null)
    {
        FuseCaller who = caller ?? new FuseCaller(0, 0, 1);
        ulong unique = _daemon.NextRequest();
        int length = Unsafe.SizeOf<FuseInHeader>() + body.Length;
        var header = new FuseInHeader((uint)length, opcode, unique, node, who.Uid, who.Gid, who.Pid, 0, 0);
        if (opcode is not (FuseOpcode.Forget or FuseOpcode.Interrupt))
        {
            _requests.Add(unique, IsGone ? new KilledDaemon.Answer(Errno.ENOTCONN, []) : null);
        }

        if (!IsGone)
        {
            _unread.Enqueue([.. KilledDaemon.Bytes(header), .. body]);
        }

        return unique;
    }

    /// <summary>The kernel waits for the answer to a request that an earlier daemon has read.</summary>
    public void Expect(ulong unique) => _requests.Add(unique, null);

    /// <summary>Sends a request, and waits until the daemon has done what it does for it.</summary>
    public ulong Send(FuseOpcode opcode, ulong node, byte[] body, FuseCaller? caller = null)
    {
        ulong unique = Queue(opcode, node, body, caller);
        _daemon.Survive(TakeUnread);
        return unique;
    }

    /// <summary>Sends a request whose answer comes at once.</summary>
    public KilledDaemon.Answer Do(FuseOpcode opcode, ulong node, byte[] body, FuseCaller? caller = null)
    {
        ulong unique = Send(opcode, node, body, caller);
        return _requests[unique] ?? throw new InvalidOperationException($"{opcode} is not answered.");
    }

    /// <summary>Finds what a request of this connection was answered with; null while it waits.</summary>
    public bool TryGetAnswer(ulong unique, out KilledDaemon.Answer? answer) =>
        _requests.TryGetValue(unique, out answer);

    /// <summary>Returns true when whoever polls was woken since they were asked last.</summary>
    public bool WasWoken(ulong poll) => _woken.Remove(poll);

    /// <summary>A daemon begins to serve the connection, or goes on with it.</summary>
    public void Serve(
        FuseFileSystem fileSystem, RecordStore records, uint number, Func<IFuseLog, Negotiation> newNegotiation)
    {
        var output = new Output(this);
        _session = new SessionRecords(records, number);
        Negotiation negotiation = newNegotiation(output);
        if (_session.IsSettled)
        {
            negotiation.Restore(_session.Settled);
        }

        _dispatcher = new RequestDispatcher(fileSystem, negotiation, _session, output, output);
        if (_session.AreLeft)
        {
            // The TPM carries commands out when the test says so.
            TakenOver = _dispatcher.Resume(asksAgain: false, _ => { });
        }

        _slot = _session.SlotsFor(threads: 1, Room)[0];
        TakeUnread();
    }

    /// <summary>
    /// The daemon ends its session, and closes the connection, as the kernel does where the daemon dies on the way.
    /// </summary>
    public void Close()
    {
        try
        {
            _dispatcher!.Close(Errno.ENODEV);
            _session!.Forget();
        }
        finally
        {
            IsGone = true;
            foreach (ulong unique in _requests.Keys.Where(unique => _requests[unique] is null).ToArray())
            {
                _requests[unique] = new KilledDaemon.Answer(Errno.ENOTCONN, []);
            }
        }

        _deaths.Step(_deaths.Living!);
    }

    private void TakeUnread()
    {
        while (_unread.TryDequeue(out byte[]? request))
        {
            request.CopyTo(_slot!.Buffer);
            _deaths.Step(_deaths.Living!);
            _dispatcher!.Dispatch(_slot, request.Length);
            _slot.Clear(request.Length);
        }
    }

    /// <summary>The kernel, as one daemon reaches it while it lives.</summary>
    private sealed class Output(KernelConnection kernel) : IFuseOutput, IFuseLog
    {
        private readonly byte[] _living = kernel._deaths.Living!;

        public Errno Write(in FuseOutHeader header, ReadOnlySpan<byte> body)
        {
            if (kernel._deaths.Living != _living || kernel.IsGone)
            {
                return Errno.ENODEV;
            }

            if (header.Unique == 0)
            {
                kernel._woken.Add(MemoryMarshal.Read<ulong>(body));
            }
            else if (!kernel._requests.TryGetValue(header.Unique, out KilledDaemon.Answer? earlier)
                || earlier is not null)
            {
                return Errno.ENOENT;
            }
            else
            {
                kernel._requests[header.Unique] = new KilledDaemon.Answer(new Errno(-header.Error), body.ToArray());
            }

            kernel._deaths.Step(_living);
            return Errno.None;
        }

        public void Information(string message)
        {
        }

        public void Warning(string message)
        {
        }

        public void Error(string message, Exception? exception)
        {
            if (kernel._deaths.Living == _living)
            {
                kernel._daemon.Errors.Add($"{message} {exception}");
            }
        }
    }
}
