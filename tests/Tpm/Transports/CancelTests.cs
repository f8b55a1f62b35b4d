using System.Buffers.Binary;
using System.Diagnostics;
using TpmFs.Tpm.Tests.Harness;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>Cancels against a scripted control channel.</summary>
public sealed class CancelTests
{
    [Fact]
    public async Task A_cancel_reaches_the_peer_while_the_command_runs()
    {
        using var peer = new FakeSwtpm(FakeSwtpm.Obliging);
        using ITpmTransport transport = peer.CreateTransport();
        Task served = ServeCancelled(peer, transport.Cancel);
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
        Task served = ServeCancelled(peer);
        TpmClient.Connect(transport);
        Assert.Equal(TpmRc.Canceled, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.GetRandom8)));
        await served;
    }

    [Fact]
    public async Task A_cancel_that_is_answered_only_after_the_command_delays_no_later_command()
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
            peer.ExpectLocalityAndCancel();
            await socket.SendAsync(TpmClient.Response(TpmRc.Success));
            ended.Set();
            await FakeSwtpm.Answer(socket);
        });
        TpmClient.Connect(transport);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        TpmClient.Execute(transport, TpmClient.GetRandom8, locality: 1);
        await served;
        Assert.Equal([0, 0, 0, 5, 1], peer.NextControlCommand());
        Assert.Empty(peer.ControlCommands);
    }

    [Fact]
    public void A_cancel_with_nothing_under_way_is_not_sent()
    {
        using var peer = new FakeSwtpm(FakeSwtpm.Obliging);
        _ = peer.ServeSuccess();
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
            await FakeSwtpm.Answer(socket);
            await FakeSwtpm.ReceiveCommand(socket);
        });
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        TpmClient.Execute(transport, TpmClient.GetRandom8);

        // Long enough for a busy machine to send the command: one that was not sent in time is not cancelled either.
        TransmitResult result = TpmClient.TryGetRandom(transport, TimeSpan.FromSeconds(2));
        Assert.Equal(TransmitStatus.TimedOut, result.Status);
        peer.ExpectLocalityAndCancel();
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
            peer.ExpectLocalityAndCancel();
            await socket.SendAsync(TpmClient.Response(TpmRc.Success));
            await FakeSwtpm.Answer(socket);
        });
        TpmClient.Connect(transport);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        long start = Stopwatch.GetTimestamp();
        TpmClient.Execute(transport, TpmClient.GetRandom8, locality: 1);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        await served;
    }

    /// <summary>Serves one command: cancels it, waits for the cancel, and answers that it was cancelled.</summary>
    private static Task ServeCancelled(FakeSwtpm peer, Action? cancel = null) => peer.Serve(async socket =>
    {
        await FakeSwtpm.ReceiveCommand(socket);
        cancel?.Invoke();
        peer.ExpectLocalityAndCancel();
        await socket.SendAsync(TpmClient.Response(TpmRc.Canceled));
    });
}
