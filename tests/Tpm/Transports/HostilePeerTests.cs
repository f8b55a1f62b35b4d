using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using TpmFs.Tpm.Tests.Harness;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>Against a scripted peer that does what no swtpm should.</summary>
public sealed class HostilePeerTests
{
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(300);

    [Fact]
    public async Task A_response_may_come_a_byte_at_a_time()
    {
        using var peer = new FakeSwtpm(control: null);
        byte[] answer = TpmClient.Response(TpmRc.Success, [0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        Task served = peer.Serve(async socket =>
        {
            Assert.Equal(TpmClient.GetRandom8, await FakeSwtpm.ReceiveCommand(socket));
            foreach (byte one in answer)
            {
                await socket.SendAsync(new[] { one });
                await Task.Yield();
            }
        });
        using ITpmTransport transport = Connected(peer);
        Assert.Equal(answer, TpmClient.Execute(transport, TpmClient.GetRandom8));
        await served;
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(9u)]
    [InlineData(4097u)]
    [InlineData(0x7FFF_FFFFu)]
    [InlineData(0x8000_0000u)]
    [InlineData(0xFFFF_FFFFu)]
    public async Task A_response_that_lies_about_its_size_ends_the_link(uint size)
    {
        byte[] answer = TpmClient.Response(TpmRc.Success);
        BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(2), size);
        TransmitResult result = await ExchangeWith(answer, TpmClient.Patience);
        Assert.Equal(TransmitStatus.Disconnected, result.Status);
        Assert.Contains($"{size} bytes", result.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_behind_a_response_end_the_link()
    {
        TransmitResult result = await ExchangeWith([.. TpmClient.Response(TpmRc.Success), 0], TpmClient.Patience);
        Assert.Equal(TransmitStatus.Disconnected, result.Status);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(19)]
    public async Task A_response_that_stops_short_is_waited_for_no_longer_than_its_time(int sent)
    {
        byte[] answer = TpmClient.Response(TpmRc.Success, new byte[10]);
        long start = Stopwatch.GetTimestamp();
        TransmitResult result = await ExchangeWith(answer[..sent], s_short);
        Assert.Equal(TransmitStatus.TimedOut, result.Status);
        TpmClient.AssertTook(s_short, start);
    }

    [Fact]
    public async Task A_peer_that_drips_does_not_move_the_deadline()
    {
        using var peer = new FakeSwtpm(control: null);
        Task served = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(TpmClient.Hex("8001 00001000 00000000"));
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            for (int dripped = 10; dripped < 1000 && await timer.WaitForNextTickAsync(); dripped++)
            {
                await socket.SendAsync(new byte[1]);
            }
        });
        using (ITpmTransport transport = Connected(peer))
        {
            long start = Stopwatch.GetTimestamp();
            Assert.Equal(TransmitStatus.TimedOut, TpmClient.TryGetRandom(transport, s_short).Status);
            TpmClient.AssertTook(s_short, start);
        }

        await Assert.ThrowsAsync<SocketException>(() => served);
    }

    [Fact]
    public async Task A_peer_that_reads_nothing_does_not_hold_the_sender_past_the_deadline()
    {
        using var peer = new FakeSwtpm(control: null);
        var done = new TaskCompletionSource();
        Task served = peer.Serve(_ => done.Task);
        using ITpmTransport transport = Connected(peer);
        long start = Stopwatch.GetTimestamp();
        byte[] large = TpmClient.Command(TpmSt.NoSessions, TpmCc.Hash, new byte[8 << 20]);
        Assert.Equal(TransmitStatus.TimedOut, transport.Transmit(large, 0, new byte[4096], s_short).Status);
        TpmClient.AssertTook(s_short, start);
        done.SetResult();
        await served;
    }

    [Fact]
    public void A_full_backlog_does_not_hold_the_connection_past_the_deadline()
    {
        using var peer = new FakeSwtpm(control: null, backlog: 0);
        var transports = new List<ITpmTransport>();
        string problem = string.Empty;
        long start = Stopwatch.GetTimestamp();
        ITpmTransport last;
        do
        {
            last = peer.CreateTransport();
            transports.Add(last);
        }
        while (transports.Count < 8 && last.TryConnect(s_short, out problem));
        Assert.Contains("did not accept in time", problem, StringComparison.Ordinal);
        TpmClient.AssertTook(s_short, start);
        transports.ForEach(transport => transport.Dispose());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(15)]
    public async Task A_peer_that_leaves_in_the_middle_is_told_at_once_and_can_be_reached_again(int sent)
    {
        using var peer = new FakeSwtpm(control: null);
        byte[] answer = TpmClient.Response(TpmRc.Success, new byte[10]);
        Task first = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(answer[..sent]);
            socket.Dispose();
        });
        using ITpmTransport transport = Connected(peer);
        Assert.Equal(TransmitStatus.Disconnected, TpmClient.TryGetRandom(transport, TpmClient.Patience).Status);
        await first;

        Task second = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(answer);
        });
        TpmClient.Connect(transport);
        Assert.Equal(answer, TpmClient.Execute(transport, TpmClient.GetRandom8));
        await second;
    }

    [Fact]
    public async Task Bytes_that_come_unasked_are_not_the_next_commands_response()
    {
        using var peer = new FakeSwtpm(control: null);
        var answered = new TaskCompletionSource();
        Task served = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(TpmClient.Response(TpmRc.Success));
            await answered.Task;
            await socket.SendAsync(TpmClient.Response(TpmRc.Success));
        });
        using ITpmTransport transport = Connected(peer);
        TpmClient.Execute(transport, TpmClient.GetRandom8);
        answered.SetResult();
        await served;
        Assert.Equal(TransmitStatus.NotSent, TpmClient.TryGetRandom(transport, TpmClient.Patience).Status);
    }

    [Theory]
    [InlineData("unix")]
    [InlineData("tcp")]
    public async Task A_peer_that_has_left_since_the_last_command_has_not_had_the_next_one(string kind)
    {
        using var directory = new TemporaryDirectory();
        string path = directory.File("s");
        EndPoint at = kind == "tcp" ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(path);
        using var listener = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(at);
        listener.Listen();
        using ITpmTransport transport = TestTransport.Create(
            kind == "tcp"
                ? $"swtpm:host=127.0.0.1,port={((IPEndPoint)listener.LocalEndPoint!).Port}"
                : $"swtpm:path={path}");
        TpmClient.Connect(transport);
        using (Socket left = await listener.AcceptAsync())
        {
        }

        Assert.Equal(TransmitStatus.NotSent, TpmClient.TryGetRandom(transport, TpmClient.Patience).Status);
    }

    [Fact]
    public async Task A_late_response_dies_with_its_connection()
    {
        using var peer = new FakeSwtpm(control: null);
        var reconnected = new TaskCompletionSource();
        byte[] late = TpmClient.Response(TpmRc.Success, 0xEE);
        byte[] right = TpmClient.Response(TpmRc.Success, 0x11);
        Task first = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            await reconnected.Task;
            await Assert.ThrowsAsync<SocketException>(async () => await socket.SendAsync(late));
        });
        using ITpmTransport transport = Connected(peer);
        Assert.Equal(TransmitStatus.TimedOut, TpmClient.TryGetRandom(transport, s_short).Status);
        Task second = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(right);
        });
        TpmClient.Connect(transport);
        reconnected.SetResult();
        Assert.Equal(right, TpmClient.Execute(transport, TpmClient.GetRandom8));
        await Task.WhenAll(first, second);
    }

    internal static ITpmTransport Connected(FakeSwtpm peer)
    {
        ITpmTransport transport = peer.CreateTransport();
        TpmClient.Connect(transport);
        return transport;
    }

    private static async Task<TransmitResult> ExchangeWith(byte[] answer, TimeSpan timeout)
    {
        using var peer = new FakeSwtpm(control: null);
        Task served = peer.Serve(async socket =>
        {
            await FakeSwtpm.ReceiveCommand(socket);
            await socket.SendAsync(answer);
        });
        using ITpmTransport transport = Connected(peer);
        TransmitResult result = TpmClient.TryGetRandom(transport, timeout);
        await served;
        return result;
    }
}
