using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Serilog;
using TpmFs.Clients;
using TpmFs.Configuration;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Fuse;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;
using TpmFs.Mirror;
using TpmFs.Permissions;
using TpmFs.Records;
using TpmFs.State;
using TpmFs.Tree;
using TpmFs.Tree.Status;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>
/// A daemon that serves one connection, is killed, and is followed by another; and the kernel at the other end, which
/// waits for each request's answer and takes one only.
/// </summary>
internal sealed class KilledDaemon : IDisposable
{
    private const int Room = 16 * 1024;

    private readonly Deaths _deaths;
    private readonly FakeUserDatabase _users = new();
    private readonly ManualTime _time = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
    private readonly Dictionary<ulong, Answer?> _requests = [];
    private readonly List<IDisposable> _made = [];
    private readonly HashSet<ulong> _woken = [];
    private RequestDispatcher _dispatcher = null!;
    private RequestSlot _slot = null!;
    private ulong _unique;

    public KilledDaemon(params int[] deaths)
    {
        _deaths = new Deaths(deaths);
        Tpm = new SurvivingTpm(_deaths);
        _time.Advance(TimeSpan.FromDays(1));
        Survive(() => { });
        const FuseInitFlags Flags = FuseInitFlags.MaxPages | FuseInitFlags.PosixAcl;
        Do(FuseOpcode.Init, 0, Bytes(new FuseInitIn(7, 40, 0, Flags)));
    }

    public SurvivingTpm Tpm { get; }

    /// <summary>Gets how often it was killed.</summary>
    public int Deaths => _deaths.Count;

    /// <summary>Gets the memory that outlives it.</summary>
    public ReadOnlySpan<byte> Memory => _deaths.Living;

    /// <summary>Gets what the last daemon took over.</summary>
    public TakenOver TakenOver { get; private set; } = TakenOver.Nothing;

    /// <summary>Returns a struct's bytes.</summary>
    public static byte[] Bytes<T>(T value)
        where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).ToArray();

    /// <summary>Sends a request, and waits until the daemon has done what it does for it.</summary>
    /// <returns>The request's number.</returns>
    public ulong Send(FuseOpcode opcode, ulong node, byte[] body, FuseCaller? caller = null)
    {
        FuseCaller who = caller ?? new FuseCaller(0, 0, 1);
        ulong unique = _unique += 2;
        int length = Unsafe.SizeOf<FuseInHeader>() + body.Length;
        var header = new FuseInHeader((uint)length, opcode, unique, node, who.Uid, who.Gid, who.Pid, 0, 0);
        byte[] request = [.. Bytes(header), .. body];
        bool isRead = false;
        if (opcode is not (FuseOpcode.Forget or FuseOpcode.Interrupt))
        {
            _requests.Add(unique, null);
        }

        Survive(() =>
        {
            if (isRead)
            {
                return; // the daemon before this one has read it
            }

            isRead = true;
            request.CopyTo(_slot.Buffer);
            _deaths.Step(_deaths.Living!);
            _dispatcher.Dispatch(_slot, request.Length);
            _slot.Clear(request.Length);
        });
        return unique;
    }

    /// <summary>Sends a request whose answer comes at once.</summary>
    public Answer Do(FuseOpcode opcode, ulong node, byte[] body, FuseCaller? caller = null)
    {
        ulong unique = Send(opcode, node, body, caller);
        return AnswerOf(unique) ?? throw new InvalidOperationException($"{opcode} is not answered.");
    }

    /// <summary>Returns what a request was answered with; null while it waits.</summary>
    public Answer? AnswerOf(ulong unique) => _requests[unique];

    /// <summary>The TPM carries out what waits.</summary>
    public void RunTpm() => Survive(Tpm.Run);

    /// <summary>Returns true when whoever polls was woken since they were asked last.</summary>
    public bool WasWoken(ulong poll) => _woken.Remove(poll);

    public void Dispose()
    {
        _made.ForEach(made => made.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Does something, with another daemon where the one is killed meanwhile.</summary>
    private void Survive(Action action)
    {
        for (bool isDone = false; !isDone;)
        {
            try
            {
                if (_deaths.Living is null)
                {
                    Begin();
                }

                action();
            }
            catch (DeathException)
            {
                // The next one goes on.
            }

            isDone = _deaths.Living is not null;
        }
    }

    private void Begin()
    {
        RecordStore records = _deaths.Begin(DoorRecords.Format);
        ILogger log = Serilog.Core.Logger.None;
        var state = new StateKeeper(new StateFile(_folder), DateTimeOffset.UnixEpoch, log, records);
        _made.Add(state);
        TpmPort tpm = Tpm.NewPort();
        var tree = new ServedTree(
            new TreeTpms([tpm], [], new DaemonStatus([], TimeProvider.System)), new Settings(),
            new TreeOwners(new Access(0x1ED, 0, 0), new Access(0x1B0, 0, 109)),
            new TreeSurroundings(_users, state, _time, log) { Records = records });
        _made.Insert(0, tree);
        TakenOver = tree.TakenOver;
        Tpm.LetGoUnclaimed();
        var options = new FuseSessionOptions { PosixAcl = true, MaxWrite = Room - 4096 };
        var output = new Output(this, _deaths.Living!);
        var session = new SessionRecords(records, connection: 0);
        var negotiation = new FuseNegotiation(options, output);
        if (session.IsSettled)
        {
            negotiation.Restore(session.Settled);
        }

        _dispatcher = new RequestDispatcher(tree.FileSystem, negotiation, session, output, output);
        if (session.AreLeft)
        {
            _dispatcher.Resume(asksAgain: false, _ => { }); // the TPM carries commands out when the test says so
        }

        _slot = session.SlotsFor(threads: 1, Room)[0];
    }

    /// <summary>What the kernel was answered.</summary>
    internal sealed record Answer(Errno Error, byte[] Body)
    {
        public T As<T>()
            where T : unmanaged
        {
            Assert.Equal(Errno.None, Error);
            return MemoryMarshal.Read<T>(Body);
        }
    }

    /// <summary>The kernel, as one daemon reaches it while it lives.</summary>
    private sealed class Output(KilledDaemon kernel, byte[] daemon) : IFuseOutput, IFuseLog
    {
        public Errno Write(in FuseOutHeader header, ReadOnlySpan<byte> body)
        {
            if (kernel._deaths.Living != daemon)
            {
                return Errno.ENODEV;
            }

            if (header.Unique == 0)
            {
                kernel._woken.Add(MemoryMarshal.Read<ulong>(body));
            }
            else if (!kernel._requests.TryGetValue(header.Unique, out Answer? earlier) || earlier is not null)
            {
                return Errno.ENOENT;
            }
            else
            {
                kernel._requests[header.Unique] = new Answer(new Errno(-header.Error), body.ToArray());
            }

            kernel._deaths.Step(daemon);
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
            if (kernel._deaths.Living == daemon)
            {
                kernel.Errors.Add($"{message} {exception}");
            }
        }
    }

    /// <summary>Gets what daemons that lived said was wrong.</summary>
    public List<string> Errors { get; } = [];
}
