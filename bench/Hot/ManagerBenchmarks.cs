using BenchmarkDotNet.Attributes;
using TpmFs.Rm;
using TpmFs.Rm.Channel;
using TpmFs.Rm.Commands;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Objects;
using TpmFs.Rm.Scheduling;
using TpmFs.Simulation;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Benchmarks;

/// <summary>A command with a key and a session in the resource manager: parts of its way, and all of it.</summary>
public class ManagerBenchmarks
{
    private const int Openers = 1000;

    private readonly Machine _machine = new();
    private readonly Machine _mirrored = new(isMirrored: true);
    private readonly TpmProfile _profile;
    private readonly CommandResolver _resolver;
    private readonly CommandPlan _plan = new();
    private readonly SpaceRecord _space;
    private readonly byte[] _command;
    private readonly TpmaCc _attributes;
    private readonly Scheduler _scheduler = new(TimeProvider.System);

    public ManagerBenchmarks()
    {
        var ledger = new TpmLedger(TimeProvider.System);
        var channel = new TpmChannel(
            new SimulatedTpm(), ledger.Mirror, TimeProvider.System, TimeSpan.FromSeconds(300));
        channel.TryConnect(TimeSpan.FromSeconds(1));
        channel.Startup();
        _profile = new TpmProfile(channel, ledger.Profile);
        _profile.Read();
        _profile.TryGetCommand(TpmCc.Sign, out _attributes);

        _resolver = new CommandResolver(_profile, ledger, new ObjectBudget(ledger.Spaces.Objects, int.MaxValue));
        _space = NewRecord(ledger, Machine.Owner);
        var held = new TransientObject();
        ledger.Objects.Enter(held, new TpmHandle(0x80000000));
        VirtualHandle key = _space.Add(held);
        var session = new Session(new TpmHandle(0x02000000), _space.Owner, _space.Id);
        ledger.Sessions.Enter(session);
        _command = Cmd.Sign(key.Value, "text", Auth.Password(), Auth.AuditSession(session.Handle.Value));

        SchedulingGroup[] groups = [.. Enumerable.Range(0, 10)
            .Select(i => new SchedulingGroup(new GroupId(i + 2), $"{i}", new SpaceLimits()))];
        for (int i = 0; i < Openers; i++)
        {
            SpaceRecord record = NewRecord(ledger, new SpaceOwner(groups[i % groups.Length], 0, 0));
            _scheduler.Enqueue(
                new ManagedSpace(new SpaceServices(null!, static _ => LendResult.Nothing), record, _machine).Pending);
        }
    }

    /// <summary>Header, handles, authorizations.</summary>
    [Benchmark]
    public bool Parse() => TpmCommand.TryParseHandles(_command, _attributes, out TpmCommand command, out _)
        && command.TryParseAuthorizations(_command, out _);

    /// <summary>Parsing included: whose the handles are.</summary>
    [Benchmark]
    public bool Resolve() => _resolver.Resolve(_space, _command, _plan, out _).IsSuccess;

    /// <summary>Beside 999 others in 10 domains that all wait.</summary>
    [Benchmark]
    public void Schedule()
    {
        _scheduler.TryTake(out PendingCommand next);
        _scheduler.Served(next, TimeSpan.FromMilliseconds(1));
        _scheduler.Enqueue(next);
    }

    /// <summary>From being handed in to its answer, on a TPM that takes no time.</summary>
    [Benchmark]
    public void WholeManager() => _machine.Run(_machine.Sign);

    /// <summary>The same, written through to memory from which another manager could go on.</summary>
    [Benchmark]
    public void WholeManagerMirrored() => _mirrored.Run(_mirrored.Sign);

    /// <summary>A command that names nothing.</summary>
    [Benchmark]
    public void WholeManagerRandom() => _machine.Run(_machine.Random);

    /// <summary>The same, written through.</summary>
    [Benchmark]
    public void WholeManagerRandomMirrored() => _mirrored.Run(_mirrored.Random);

    private static SpaceRecord NewRecord(TpmLedger ledger, SpaceOwner owner) =>
        ledger.NewSpace(ledger.NewSpaceId(), owner, isRaw: false);
}
