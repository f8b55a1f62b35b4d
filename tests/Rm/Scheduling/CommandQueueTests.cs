using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Scheduling;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Scheduling;

/// <summary>Tests what openers' threads and the manager's tell each other.</summary>
public sealed class CommandQueueTests : IDisposable
{
    private readonly SimulatedTpm _tpm = new();
    private readonly TpmLedger _ledger = new(TimeProvider.System);
    private readonly WakeSignal _wake = new(TimeProvider.System);
    private readonly CommandQueue _queue;

    public CommandQueueTests()
    {
        var channel = new TpmChannel(_tpm, _ledger.Mirror, TimeProvider.System, TimeSpan.FromSeconds(300));
        var profile = new TpmProfile(channel, _ledger.Profile);
        _queue = new CommandQueue(new RandomReserve(), profile, _wake, TimeProvider.System, () => { });
    }

    /// <summary>
    /// The manager's thread has seen nothing to do, and a lent thread leaves it something before it sleeps.
    /// </summary>
    [Fact]
    public void Who_is_called_before_going_to_sleep_does_not_sleep()
    {
        _wake.SetWithin(TimeSpan.FromMilliseconds(20));
        long start = TimeProvider.System.GetTimestamp();
        _wake.Wait(TimeSpan.FromSeconds(30));
        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalSeconds, 0, 20);
    }

    [Fact]
    public void A_queue_that_stops_gives_no_command_out()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        using var space = new Pending(_queue, _ledger, opener);
        Assert.True(_queue.Submit(space.Command, Cmd.GetRandom(40), lends: true));
        _queue.Dispatcher.Stop();
        Assert.False(_queue.Dispatcher.TryTake(out _));
    }

    public void Dispose()
    {
        _queue.Dispose();
        _tpm.Dispose();
    }

    private sealed class Pending(CommandQueue queue, TpmLedger ledger, Opener opener) : IDisposable
    {
        public PendingCommand Command { get; } = new ManagedSpace(
            new SpaceServices(queue, _ => LendResult.Nothing),
            ledger.NewSpace(ledger.NewSpaceId(), opener.Owner, isRaw: false), opener).Pending;

        public void Dispose() => Command.Drop();
    }
}
