using System.Net.Sockets;
using TpmFs.Tpm.Tests.Harness;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>
/// A swtpm that closes its data connection after each response, as 'swtpm socket -p PORT' and '--server …,disconnect'
/// do. The daemon's start failed on it after 20 s.
/// </summary>
public sealed class ClosingPeerTests
{
    private static readonly byte[] s_answer = TpmClient.Response(TpmRc.Success);

    /// <summary>Commands that the scripted peer has answered.</summary>
    private int _answered;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Each_command_gets_a_connection_of_its_own(bool tcp)
    {
        using var swtpm = new Swtpm(closes: true, tcp: tcp);
        using ITpmTransport transport = swtpm.Connect();
        TpmClient.Execute(transport, TpmClient.Startup);
        for (int round = 0; round < 50; round++)
        {
            Assert.Equal(20, TpmClient.Execute(transport, TpmClient.GetRandom8, (byte)(round % 5)).Length);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_command_in_another_locality_leaves_the_next_client_locality_0(bool tcp)
    {
        using var swtpm = new Swtpm(closes: true, tcp: tcp);
        using ITpmTransport transport = swtpm.Connect();
        TpmClient.Execute(transport, TpmClient.Startup);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.ResetPcr20, locality: 2)));
        using ITpmTransport other = TestTransport.Create(swtpm.Spec);
        TpmClient.Connect(other);
        Assert.Equal(TpmRc.Locality, TpmClient.CodeOf(TpmClient.Execute(other, TpmClient.ResetPcr20)));
    }

    [Fact]
    public void Cancels_at_any_time_leave_every_answer_right()
    {
        using var swtpm = new Swtpm(closes: true);
        using ITpmTransport transport = swtpm.Connect();
        TpmClient.Execute(transport, TpmClient.Startup);
        SwtpmTransportTests.CancelThroughout(transport);
    }

    [Fact]
    public async Task A_command_that_is_lost_in_the_middle_is_said_to_be_lost_and_sent_once()
    {
        using var peer = new FakeSwtpm(control: null);
        int commands = 0;
        Task served = peer.Serve(Answer);
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        await served;

        served = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            commands++;
            socket.Dispose(); // the TPM has had it; nobody knows what it did
        });
        Assert.Equal(TransmitStatus.Disconnected, TpmClient.TryGetRandom(transport, TpmClient.Patience).Status);
        await served;

        served = peer.Serve(Answer);
        TpmClient.Connect(transport);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        await served;
        Assert.Equal((2, 1), (_answered, commands));
    }

    [Fact]
    public async Task A_command_for_a_peer_that_has_gone_is_not_sent()
    {
        var peer = new FakeSwtpm(control: null);
        Task served = peer.Serve(Answer);
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        await served;
        peer.Dispose();
        TransmitResult result = TpmClient.TryGetRandom(transport, TpmClient.Patience);
        Assert.Equal(TransmitStatus.NotSent, result.Status);
        Assert.Contains("cannot connect to swtpm", result.Problem, StringComparison.Ordinal);
    }

    /// <summary>
    /// On a busy machine the peer may close long after its response, which is noticed with the next command.
    /// </summary>
    [Fact]
    public async Task A_peer_that_closes_late_costs_one_attempt()
    {
        using var peer = new FakeSwtpm(control: null);
        using var closing = new ManualResetEventSlim();
        Task served = peer.Serve(async socket =>
        {
            await Reply(socket);
            closing.Wait(TpmClient.Patience);
            socket.Dispose();
        });
        using ITpmTransport transport = HostilePeerTests.Connected(peer);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        closing.Set();
        await served;
        Assert.Equal(TransmitStatus.NotSent, TpmClient.TryGetRandom(transport, TpmClient.Patience).Status);

        served = peer.Serve(async socket =>
        {
            await Reply(socket);
            await Task.Delay(50); // more than a connection is watched for at first
            socket.Dispose();
        });
        TpmClient.Connect(transport);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        await served;
        served = peer.Serve(Answer);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        await served;
    }

    private async Task Answer(Socket socket)
    {
        await Reply(socket);
        socket.Dispose();
    }

    private async Task Reply(Socket socket)
    {
        await FakeSwtpm.ReceiveCommand(socket);
        _answered++;
        await socket.SendAsync(s_answer);
    }
}
