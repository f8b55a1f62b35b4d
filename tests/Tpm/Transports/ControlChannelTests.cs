using System.Buffers.Binary;
using System.Diagnostics;
using TpmFs.Tpm.Tests.Harness;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>Localities, and what the peer can do, against a scripted control channel.</summary>
public sealed class ControlChannelTests
{
    [Fact]
    public void A_locality_is_set_only_when_it_differs_from_the_last()
    {
        using var peer = new FakeSwtpm(FakeSwtpm.Obliging);
        _ = peer.ServeSuccess();
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        foreach (byte locality in (ReadOnlySpan<byte>)[0, 0, 2, 2, 0])
        {
            TpmClient.Execute(transport, TpmClient.GetRandom8, locality);
        }

        Assert.Equal([0, 2, 0], peer.ControlCommands.Select(command => command[4]));
    }

    [Fact]
    public void After_a_new_connection_the_locality_is_set_anew()
    {
        using var peer = new FakeSwtpm(FakeSwtpm.Obliging);
        _ = peer.ServeSuccess();
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        _ = peer.ServeSuccess();
        TpmClient.Connect(transport);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        Assert.Equal(2, peer.ControlCommands.Count);
    }

    [Fact]
    public async Task A_command_whose_locality_is_refused_is_not_sent()
    {
        using var peer = new FakeSwtpm(command =>
            BinaryPrimitives.ReadUInt32BigEndian(command) == 5 && command[4] == 3
                ? [0, 0, 0, 0x3D]
                : FakeSwtpm.Obliging(command));
        var received = new List<byte[]>();
        Task served = peer.Serve(async socket =>
        {
            for (int count = 0; count < 2; count++)
            {
                received.Add(await FakeSwtpm.Answer(socket));
            }
        });
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        TransmitResult result = transport.Transmit(TpmClient.Startup, 3, new byte[4096], TpmClient.Patience);
        Assert.Equal(TransmitStatus.LocalityRefused, result.Status);
        Assert.Contains("0x3D", result.Problem, StringComparison.Ordinal);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        await served;
        Assert.Equal([TpmClient.GetRandom8, TpmClient.GetRandom8], received);

        // After a refusal nobody knows what the locality is.
        Assert.Equal([0, 3, 0], peer.ControlCommands.Select(command => command[4]));
    }

    [Fact]
    public void A_control_channel_that_never_answers_costs_a_bounded_time_and_its_features()
    {
        using var peer = new FakeSwtpm(_ => null);
        _ = peer.ServeSuccess();
        long start = Stopwatch.GetTimestamp();
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Equal(default, transport.Features);
        Assert.Equal(TpmClient.Response(TpmRc.Success), TpmClient.Execute(transport, TpmClient.GetRandom8));
        Assert.Equal(
            TransmitStatus.LocalityRefused, TpmClient.TryGetRandom(transport, TpmClient.Patience, locality: 1).Status);
    }

    /// <summary>
    /// swtpm answers its control channel only after the command that runs: localities and cancel were lost until a new
    /// connection.
    /// </summary>
    [Fact]
    public async Task A_control_channel_that_answers_late_is_asked_again_after_the_first_response()
    {
        using var busy = new ManualResetEventSlim();
        using var peer = new FakeSwtpm(command =>
        {
            Assert.True(busy.Wait(TpmClient.Patience));
            return FakeSwtpm.Obliging(command);
        });
        Task served = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            busy.Set();
            await socket.SendAsync(TpmClient.Response(TpmRc.Success));
            await FakeSwtpm.Answer(socket);
        });
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        Assert.Equal(default, transport.Features);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        Assert.Equal(new TpmTransportFeatures(CanCancel: true, HighestLocality: 4), transport.Features);
        TpmClient.Execute(transport, TpmClient.GetRandom8, locality: 3);
        Assert.Equal([0, 0, 0, 5, 3], peer.NextControlCommand());
        await served;
    }
}
