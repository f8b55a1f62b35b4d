using Microsoft.Win32.SafeHandles;
using NSubstitute;
using TpmFs.Doors.DBus;
using TpmFs.Rm;
using TpmFs.Rm.Manager;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Daemon.Tests.Doors.DBus;

/// <summary>Connections to a simulated TPM, by way of the resource manager with its own thread.</summary>
public sealed class SimulatedTpmTests : IDisposable
{
    private readonly SocketFixture _sockets = new();
    private readonly SimulatedTpm _tpm = new(new TpmParameters { Time = TimeProvider.System });
    private readonly ResourceManager _manager;
    private readonly ManualResetEventSlim _atTpm = new();
    private readonly ManualResetEventSlim _goOn = new();
    private readonly SchedulingGroup _group = new(new GroupId(1), "test", new SpaceLimits());

    public SimulatedTpmTests()
    {
        _manager = new ResourceManager(
            _tpm, new ResourceManagerOptions(), TimeProvider.System, Substitute.For<IResourceManagerLog>());
        Assert.True(_manager.TryStart(out string problem), problem);
    }

    [Fact]
    public void A_command_that_runs_is_given_up_while_other_connections_wait()
    {
        (ClientSocket connection, SafeFileHandle client) = Connect();
        (_, SafeFileHandle other) = Connect();
        DelayNext();
        SocketFixture.Send(client, Cmd.ReadClock());
        Assert.True(_atTpm.Wait(TimeSpan.FromSeconds(30)));
        SocketFixture.Send(other, Cmd.GetRandom(8));
        Assert.True(connection.TryCancel());
        _goOn.Set();
        Assert.Equal([0, 0, 9, 9], SocketFixture.Receive(client, 10)[6..]);
        Assert.Equal(new byte[4], SocketFixture.Receive(other, 20)[6..10]);
        Assert.Equal(1, _tpm.Cancels);
    }

    [Fact]
    public void A_client_that_goes_while_the_tpm_is_at_its_command_has_it_cancelled()
    {
        (ClientSocket connection, SafeFileHandle client) = Connect();
        DelayNext();
        SocketFixture.Send(client, Cmd.ReadClock());
        Assert.True(_atTpm.Wait(TimeSpan.FromSeconds(30)));
        client.Dispose();
        SocketFixture.Until(() => _tpm.Cancels == 1);
        SocketFixture.Until(() => _sockets.Threads.Find(connection.Number) is null);
        _goOn.Set();
    }

    public void Dispose()
    {
        _goOn.Set();
        _sockets.Dispose();
        _manager.Dispose();
        _atTpm.Dispose();
        _goOn.Dispose();
    }

    private (ClientSocket Connection, SafeFileHandle Client) Connect()
    {
        var owner = new SpaceOwner(_group, 1000, 0);
        (ClientSocket connection, SafeFileHandle client, _) =
            _sockets.Connect(answered => _manager.OpenSpace(owner, answered));
        return (connection, client);
    }

    /// <summary>Delays a command that the manager does not send by itself.</summary>
    private void DelayNext()
    {
        _tpm.Latency = code => code == Cmd.ReadClockCode ? TimeSpan.FromSeconds(1) : TimeSpan.Zero;
        _tpm.Wait = latency =>
        {
            if (latency > TimeSpan.Zero)
            {
                _atTpm.Set();
                Assert.True(_goOn.Wait(TimeSpan.FromSeconds(30)));
            }
        };
    }
}
