using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Tests.Manager;

/// <summary>A bug in what the manager calls.</summary>
public sealed class FaultTests
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_client_that_throws_is_reported_and_the_others_are_served()
    {
        using var tpm = new SimulatedTpm();
        var log = new CountingLog();
        using var manager = new ResourceManager(tpm, new ResourceManagerOptions(), TimeProvider.System, log);
        Assert.True(manager.TryStart(out string problem), problem);
        SpaceOwner owner = Owners.New();
        using var other = new Client(throws: false);
        Space served = manager.OpenSpace(owner, other);
        using var faulty = new Client(throws: true);
        Assert.True(manager.OpenSpace(owner, faulty).TrySubmit(Cmd.GetRandom(8)));
        Assert.True(faulty.IsAnswered.Wait(s_deadline));
        Assert.True(served.TrySubmit(Cmd.GetRandom(8)));
        Assert.True(other.IsAnswered.Wait(s_deadline));
        Assert.Equal(1, log.Faults);
    }

    /// <summary>
    /// An exception on a lent thread used to leave Lend, and would have ended the thread that serves FUSE requests.
    /// </summary>
    [Fact]
    public void A_client_that_throws_on_a_thread_that_it_lent_is_reported_and_the_thread_goes_on()
    {
        using var tpm = new SimulatedTpm();
        var log = new CountingLog();
        using var manager = new ResourceManager(tpm, new ResourceManagerOptions(), TimeProvider.System, log);
        Assert.True(manager.TryPrepare(out string problem), problem);
        SpaceOwner owner = Owners.New();
        using var faulty = new Client(throws: true);
        Space space = manager.OpenSpace(owner, faulty);
        Assert.True(space.TrySubmit(Cmd.GetRandom(8), lends: true));
        space.Lend();
        Assert.True(faulty.IsAnswered.IsSet);
        Assert.Equal(1, log.Faults);
        using var other = new Client(throws: false);
        Space served = manager.OpenSpace(owner, other);
        Assert.True(served.TrySubmit(Cmd.GetRandom(8), lends: true));
        served.Lend();
        Assert.True(other.IsAnswered.IsSet);
    }

    private sealed class Client(bool throws) : ISpaceClient, IDisposable
    {
        public ManualResetEventSlim IsAnswered { get; } = new();

        public void Completed(ReadOnlySpan<byte> response)
        {
            IsAnswered.Set();
            if (throws)
            {
                throw new InvalidOperationException("The client has a bug.");
            }
        }

        public void Denied(TpmCc command) => IsAnswered.Set();

        public void Failed(SpaceFailure failure) => IsAnswered.Set();

        public void Dispose() => IsAnswered.Dispose();
    }

    private sealed class CountingLog : IResourceManagerLog
    {
        private int _faults;

        public int Faults => Volatile.Read(ref _faults);

        public void TpmLost(string problem)
        {
        }

        public void TpmFound(TpmFacts facts)
        {
        }

        public void TpmBack(TpmReturn how)
        {
        }

        public void SessionTaken(SpaceOwner from, TpmHandle session)
        {
        }

        public void Fault(Exception exception) => Interlocked.Increment(ref _faults);
    }
}
