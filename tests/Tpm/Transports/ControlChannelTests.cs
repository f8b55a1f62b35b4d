using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using TpmFs.Tpm.Tests.Harness;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>Locality and cancel against a scripted control channel.</summary>
public sealed class ControlChannelTests
{
    private static readonly byte[] s_answer = TpmClient.Response(TpmRc.Success);
    private static readonly byte[] s_cancelCommand = [0, 0, 0, 9];

    [Fact]
    public void A_locality_is_set_only_when_it_differs_from_the_last()
    {
        using var peer = new FakeSwtpm(FakeSwtpm.Obliging);
        _ = peer.Serve(AnswerAll);
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
        _ = peer.Serve(AnswerAll);
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        _ = peer.Serve(AnswerAll);
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
                received.Add(await FakeSwtpm.ReceiveCommand(socket));
                await socket.SendAsync(s_answer);
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
    public async Task A_cancel_reaches_the_peer_while_the_command_runs()
    {
        using var peer = new FakeSwtpm(FakeSwtpm.Obliging);
        using ITpmTransport transport = peer.CreateTransport();
        Task served = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            transport.Cancel();
            ExpectLocalityAndCancel(peer);
            await socket.SendAsync(TpmClient.Response(TpmRc.Canceled));
        });
        TpmClient.Connect(transport);
        Assert.Equal(TpmRc.Canceled, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.GetRandom8)));
        await served;
    }

    [Fact]
    public async Task A_cancel_that_comes_before_the_command_is_sent_is_sent_after_it()
    {
        ITpmTransport? cancelled = null;
        using var peer = new FakeSwtpm(command =>
        {
            if (command[3] == 5)
            {
                cancelled!.Cancel();
            }

            return FakeSwtpm.Obliging(command);
        });
        using ITpmTransport transport = cancelled = peer.CreateTransport();
        Task served = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            ExpectLocalityAndCancel(peer);
            await socket.SendAsync(TpmClient.Response(TpmRc.Canceled));
        });
        TpmClient.Connect(transport);
        Assert.Equal(TpmRc.Canceled, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.GetRandom8)));
        await served;
    }

    [Fact]
    public async Task A_cancel_that_is_answered_only_after_the_command_holds_nobody_up()
    {
        using var ended = new ManualResetEventSlim();
        using var peer = new FakeSwtpm(command =>
        {
            if (command[3] == 9)
            {
                Assert.True(ended.Wait(TpmClient.Patience));
            }

            return FakeSwtpm.Obliging(command);
        });
        using ITpmTransport transport = peer.CreateTransport();
        Task served = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            transport.Cancel();
            transport.Cancel();
            ExpectLocalityAndCancel(peer);
            await socket.SendAsync(s_answer);
            ended.Set();
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(s_answer);
        });
        TpmClient.Connect(transport);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        TpmClient.Execute(transport, TpmClient.GetRandom8, locality: 1);
        await served;
        Assert.Equal([0, 0, 0, 5, 1], Next(peer));
        Assert.Empty(peer.ControlCommands);
    }

    [Fact]
    public void A_cancel_with_nothing_under_way_is_not_sent()
    {
        using var peer = new FakeSwtpm(FakeSwtpm.Obliging);
        _ = peer.Serve(AnswerAll);
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        transport.Cancel();
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        transport.Cancel();
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        Assert.Equal([5u], peer.ControlCommands.Select(command => BinaryPrimitives.ReadUInt32BigEndian(command)));
    }

    [Fact]
    public async Task A_command_that_times_out_is_cancelled()
    {
        using var peer = new FakeSwtpm(FakeSwtpm.Obliging);
        Task served = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(s_answer);
            await FakeSwtpm.ReceiveCommand(socket);
        });
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        TpmClient.Execute(transport, TpmClient.GetRandom8);

        // Long enough for a busy machine to send the command: one that was not sent in time is not cancelled either.
        TransmitResult result = TpmClient.TryGetRandom(transport, TimeSpan.FromSeconds(2));
        Assert.Equal(TransmitStatus.TimedOut, result.Status);
        ExpectLocalityAndCancel(peer);
        await served;
    }

    [Fact]
    public void A_control_channel_that_never_answers_costs_a_bounded_time_and_its_features()
    {
        using var peer = new FakeSwtpm(_ => null);
        _ = peer.Serve(AnswerAll);
        long start = Stopwatch.GetTimestamp();
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Equal(default, transport.Features);
        Assert.Equal(s_answer, TpmClient.Execute(transport, TpmClient.GetRandom8));
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
            await socket.SendAsync(s_answer);
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(s_answer);
        });
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        Assert.Equal(default, transport.Features);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        Assert.Equal(new TpmTransportFeatures(CanCancel: true, HighestLocality: 4), transport.Features);
        TpmClient.Execute(transport, TpmClient.GetRandom8, locality: 3);
        Assert.Equal([0, 0, 0, 5, 3], Next(peer));
        await served;
    }

    [Fact]
    public async Task A_cancel_that_is_never_answered_does_not_stop_later_commands()
    {
        using var peer = new FakeSwtpm(command => command[3] == 9 ? null : FakeSwtpm.Obliging(command));
        using ITpmTransport transport = peer.CreateTransport();
        Task served = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            transport.Cancel();
            ExpectLocalityAndCancel(peer);
            await socket.SendAsync(s_answer);
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(s_answer);
        });
        TpmClient.Connect(transport);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        long start = Stopwatch.GetTimestamp();
        TpmClient.Execute(transport, TpmClient.GetRandom8, locality: 1);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        await served;
    }

    private static void ExpectLocalityAndCancel(FakeSwtpm peer)
    {
        Assert.Equal([0, 0, 0, 5, 0], Next(peer));
        Assert.Equal(s_cancelCommand, Next(peer));
    }

    private static byte[] Next(FakeSwtpm peer)
    {
        Assert.True(peer.ControlCommands.TryTake(out byte[]? command, TpmClient.Patience), "no control command came");
        return command;
    }

    private static async Task AnswerAll(Socket socket)
    {
        while (true)
        {
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(s_answer);
        }
    }
}
