using TpmFs.Rm.Channel;
using TpmFs.Rm.Commands;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Objects;
using TpmFs.Rm.Scheduling;
using TpmFs.Rm.Sessions;
using TpmFs.Rm.Upkeep;
using TpmFs.Tpm;

namespace TpmFs.Rm.Manager;

/// <summary>Puts the parts of one manager together.</summary>
internal sealed class ManagerParts
{
    /// <param name="ledger">The manager's ledger, which may be the last manager's.</param>
    public ManagerParts(
        ITpmTransport transport, ResourceManagerOptions options, TimeProvider time, IResourceManagerLog log,
        TpmLedger ledger)
    {
        (Options, Time, Log) = (options, time, log);
        Ledger = ledger;
        Channel = new TpmChannel(transport, ledger.Mirror, time, options.CommandTimeout);
        Profile = new TpmProfile(Channel, ledger.Profile);
        Wake = new WakeSignal(time);
        Queue = new CommandQueue(Reserve, Profile, Wake, time, Channel.Cancel);
        var tpm = new TpmEndpoint(Channel, Profile);
        var slots = new TpmSlots(
            new ObjectResidency(Channel, Ledger.Objects, Ledger.ObjectSlots, options.ReserveObjects),
            new SessionResidency(
                Channel, Ledger.Sessions, Ledger.SessionSlots, Ledger.Gap, options.ReserveSessions));
        var power = new PowerState(tpm, Ledger, slots, time, log);
        Fairness = new SessionFairness(Ledger.Sessions, time);
        Room = new RoomMaker(Ledger, slots, Fairness, power, log);
        Meter = new WorkMeter(Channel, slots, time);
        var filler = new ReserveFiller(Channel, Reserve);
        IdleWork = new IdleWork(Ledger, power, Room, filler, time, options.IdleRelease);
        var reconciliation = new Reconciliation(tpm, Ledger, options.FlushAtStart);
        Connection = new TpmConnection(
            Channel, new TpmIntroduction(tpm, Ledger, power, reconciliation, filler), power, reconciliation, time, log);
        Sleep = new MachineSleep(Queue, Ledger, Room, Connection, time);

        var capabilities = new CapabilityView(Ledger.Sessions);
        var tracker = new ResponseTracker(Profile, Ledger, power, capabilities);
        var retries = new RetryPolicy(Channel, time, Ledger.ObjectSlots, Buffers, MustQueueForSession);
        var recovery = new Recovery(Ledger, slots, power, Room, retries, Buffers);
        Raw = new RawPassage(tpm, Ledger, Buffers, tracker, Room, retries);
        Runner = new CommandRunner(
            new CommandResolver(Profile, Ledger, new ObjectBudget(Ledger.Spaces.Objects, options.ObjectsInAll)),
            new LocalAnswers(Profile, Ledger, capabilities),
            new Preparation(slots, Room),
            new CommandExchange(Channel, Ledger.Mirror, Buffers, tracker, recovery),
            recovery,
            Buffers);
    }

    public ResourceManagerOptions Options { get; }

    public TimeProvider Time { get; }

    public IResourceManagerLog Log { get; }

    public TpmLedger Ledger { get; }

    public TpmChannel Channel { get; }

    public TpmProfile Profile { get; }

    public RandomReserve Reserve { get; } = new();

    public WakeSignal Wake { get; }

    public CommandQueue Queue { get; }

    /// <summary>The queue's side that the manager takes commands from.</summary>
    public CommandDispatcher Dispatcher => Queue.Dispatcher;

    public SessionFairness Fairness { get; }

    public RoomMaker Room { get; }

    public IdleWork IdleWork { get; }

    public TpmConnection Connection { get; }

    public MachineSleep Sleep { get; }

    public WorkMeter Meter { get; }

    public CommandBuffers Buffers { get; } = new();

    /// <summary>Carries out the commands of managed spaces.</summary>
    public CommandRunner Runner { get; }

    /// <summary>Carries out the commands of raw spaces.</summary>
    public RawPassage Raw { get; }

    /// <summary>
    /// Returns true when users wait for a session who come before this newcomer: users who hold as little of their
    /// share as the newcomer, or less.
    /// </summary>
    private bool MustQueueForSession(SpaceOwner newcomer)
    {
        SpaceOwner[] waiting = Dispatcher.SessionWaiters;
        if (waiting.Length == 0)
        {
            return false;
        }

        Func<SpaceOwner, ShareLevel> order = Fairness.OrderOf([.. waiting, newcomer]);
        return waiting.Any(other => order(other).CompareTo(order(newcomer)) <= 0);
    }
}
