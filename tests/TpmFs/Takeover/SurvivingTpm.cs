using System.Buffers.Binary;
using TpmFs.Clients;
using TpmFs.Rm;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>
/// A TPM with its manager, both of which outlive the daemon, as if all that the manager knows were in its mirror: a
/// command that is handed in again is not executed again.
/// </summary>
internal sealed class SurvivingTpm(Deaths deaths)
{
    private readonly Dictionary<(long Space, long Number), byte[]> _responses = [];
    private readonly HashSet<long> _open = [];
    private readonly Queue<Action> _queue = new();
    private long _spaces;
    private long _groups;

    /// <summary>Gets how often commands were executed.</summary>
    public int Executed => _responses.Count;

    /// <summary>Gets how many handle spaces there are.</summary>
    public int Open => _open.Count;

    /// <summary>Returns the way to it for a new daemon, whose manager has nothing to do yet.</summary>
    public TpmPort NewPort()
    {
        _queue.Clear();
        HashSet<long> claimed = [];
        var port = new TpmPort(
            0,
            (_, client) => Claim(new Manager(this, ++_spaces, 0, client)),
            (_, _) => null,
            () => new TpmFacts(TpmFamily.Tpm20, 4096, HighestLocality: 4, null),
            (name, limits) => new SchedulingGroup(new GroupId(++_groups), name, limits),
            _ => { })
        {
            Reopen = (id, _, client, _, commands) => Claim(new Manager(this, id.Value, commands, client)),
        };
        LetGoUnclaimed = () => _open.IntersectWith(claimed);
        return port;

        Space Claim(Manager space)
        {
            _open.Add(space.Id.Value);
            claimed.Add(space.Id.Value);
            return space;
        }
    }

    /// <summary>The manager starts: what no conversation has claimed is flushed.</summary>
    public Action LetGoUnclaimed { get; private set; } = () => { };

    /// <summary>Carries out what waits.</summary>
    public void Run()
    {
        while (_queue.TryDequeue(out Action? next))
        {
            next();
        }
    }

    /// <summary>Returns the response to a command: its code, and which of the space's commands it is.</summary>
    private static byte[] ResponseTo(byte[] command, long number)
    {
        byte[] response = new byte[64];
        command.AsSpan().CopyTo(response);
        BinaryPrimitives.WriteInt64BigEndian(response.AsSpan(40), number);
        return response;
    }

    private sealed class Manager(SurvivingTpm tpm, long id, long commands, ISpaceClient client) : Space
    {
        private readonly byte[]? _daemon = tpm.Daemon;
        private bool _isBusy;

        public override SpaceId Id => new(id);

        public override int ObjectCount => 0;

        public override int SessionCount => 0;

        public override byte Locality { get; set; }

        public override bool TrySubmit(ReadOnlySpan<byte> command, bool lends = false)
        {
            if (_isBusy)
            {
                return false;
            }

            byte[] whole = command.ToArray();
            long number = ++commands;
            _isBusy = true;
            tpm._queue.Enqueue(() => Execute(whole, number));
            return true;
        }

        public override LendResult Lend()
        {
            tpm.Run();
            return LendResult.Done;
        }

        public override void Cancel()
        {
        }

        public override void Close() => tpm._open.Remove(id);

        private void Execute(byte[] command, long number)
        {
            if (!tpm._open.Contains(id))
            {
                return;
            }

            if (!tpm._responses.TryGetValue((id, number), out byte[]? response))
            {
                response = ResponseTo(command, number);
                tpm._responses.Add((id, number), response);
                tpm.Step(_daemon!);
            }

            _isBusy = false;
            client.Completed(response);
        }
    }

    private byte[]? Daemon => deaths.Living;

    private void Step(byte[] daemon) => deaths.Step(daemon);
}
