using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using TpmFs.Tpm.Tests.Harness;
using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>A device that answers in pieces, lies, falls silent and goes away.</summary>
public sealed class DeviceTransportTests
{
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(300);

    [Fact]
    public async Task A_response_may_come_a_byte_at_a_time()
    {
        using var device = new FakeDevice();
        using ITpmTransport transport = Connected(device);
        byte[] answer = TpmClient.Response(TpmRc.Success, [0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        Task served = Serve(device, async () =>
        {
            foreach (byte one in answer)
            {
                device.Send([one]);
                await Task.Yield();
            }
        });
        Assert.Equal(answer, TpmClient.Execute(transport, TpmClient.GetRandom8));
        await served;
    }

    [Fact]
    public void A_device_has_locality_0_no_cancel_and_room_for_4096_bytes()
    {
        using var device = new FakeDevice();
        using ITpmTransport transport = Connected(device);
        Assert.Equal(
            new TpmTransportFeatures(CanCancel: false, HighestLocality: 0, LargestCommand: 4096), transport.Features);
        Assert.Equal(TransmitStatus.LocalityRefused, TpmClient.TryGetRandom(transport, s_short, locality: 1).Status);
        transport.Cancel();
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(9u)]
    [InlineData(4097u)]
    [InlineData(0x8000_0000u)]
    [InlineData(0xFFFF_FFFFu)]
    public async Task A_response_that_lies_about_its_size_is_none(uint size)
    {
        using var device = new FakeDevice();
        using ITpmTransport transport = Connected(device);
        byte[] answer = TpmClient.Response(TpmRc.Success);
        BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(2), size);
        Task served = Serve(device, () => device.Send(answer));
        TransmitResult result = TpmClient.TryGetRandom(transport, TpmClient.Patience);
        Assert.Equal(TransmitStatus.Disconnected, result.Status);
        Assert.Contains($"{size} bytes", result.Problem, StringComparison.Ordinal);
        await served;
    }

    [Fact]
    public async Task Bytes_behind_a_response_make_it_none()
    {
        using var device = new FakeDevice();
        using ITpmTransport transport = Connected(device);
        Task served = Serve(device, () => device.Send([.. TpmClient.Response(TpmRc.Success), 0]));
        Assert.Equal(TransmitStatus.Disconnected, TpmClient.TryGetRandom(transport, TpmClient.Patience).Status);
        await served;
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    [InlineData(19)]
    public async Task A_response_that_stops_short_is_waited_for_no_longer_than_its_time(int sent)
    {
        using var device = new FakeDevice();
        using ITpmTransport transport = Connected(device);
        Task served = Serve(device, () => device.Send(TpmClient.Response(TpmRc.Success, new byte[10]).AsSpan(0, sent)));
        long start = Stopwatch.GetTimestamp();
        Assert.Equal(TransmitStatus.TimedOut, TpmClient.TryGetRandom(transport, s_short).Status);
        TpmClient.AssertTook(s_short, start);
        await served;
    }

    [Fact]
    public async Task A_device_that_goes_away_under_a_command_loses_it_and_before_one_does_not()
    {
        var device = new FakeDevice();
        using ITpmTransport transport = Connected(device);
        Task served = Serve(device, device.Dispose);
        TransmitResult result = TpmClient.TryGetRandom(transport, TpmClient.Patience);
        await served;
        Assert.Equal(TransmitStatus.Disconnected, result.Status);
        Assert.Contains(device.Path, result.Problem, StringComparison.Ordinal);

        result = TpmClient.TryGetRandom(transport, TpmClient.Patience);
        Assert.Equal(TransmitStatus.NotSent, result.Status);
        Assert.False(transport.TryConnect(s_short, out string problem));
        Assert.Contains(device.Path, problem, StringComparison.Ordinal);
        Assert.Equal(TransmitStatus.NotSent, TpmClient.TryGetRandom(transport, s_short).Status);
    }

    [Fact]
    public void The_response_of_an_earlier_command_is_not_taken_for_the_answer_to_a_later_one()
    {
        using var device = new FakeDevice();
        using ITpmTransport transport = Connected(device);
        Assert.Equal(TransmitStatus.TimedOut, TpmClient.TryGetRandom(transport, s_short).Status);
        TpmClient.Connect(transport);
        Assert.Equal(TransmitStatus.TimedOut, TpmClient.TryGetRandom(transport, s_short).Status);
    }

    [Theory]
    [InlineData("/nonexistent/tpm0", "there is no /nonexistent/tpm0")]
    [InlineData("/etc/passwd", "plain file")]
    [InlineData("/etc", "/etc is a directory")]
    public void A_path_that_is_no_device_is_refused_with_its_reason(string path, string hint)
    {
        using ITpmTransport transport = TestTransport.Create($"device:{path}");
        Assert.False(transport.TryConnect(s_short, out string problem));
        Assert.Contains(hint, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_would_take_a_command_and_is_no_device_is_not_opened()
    {
        using var directory = new TemporaryDirectory();
        string pipe = directory.File("pipe");
        Assert.Empty(Swtpm.Run("mkfifo", [pipe]));
        string path = directory.File("socket");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        var bad = new List<(string Path, string Hint)> { (pipe, "is a named pipe"), (path, "is a socket") };
        bad.AddRange(Directory.EnumerateFiles("/dev", "loop?").Take(1).Select(disk => (disk, "is a block device")));
        foreach ((string given, string hint) in bad)
        {
            using ITpmTransport transport = TestTransport.Create($"device:{given}");
            Assert.False(transport.TryConnect(s_short, out string problem));
            Assert.Contains(hint, problem, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_command_that_a_driver_refuses_is_lost_alone()
    {
        // A device that refuses whatever is written to it, with EINVAL.
        using ITpmTransport transport = TestTransport.Create("device:/dev/loop-control");
        TpmClient.Connect(transport);
        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(TransmitStatus.CommandRefused, TpmClient.TryGetRandom(transport, s_short).Status);
        }
    }

    [Fact]
    public async Task The_holder_of_a_device_is_found_though_a_process_has_a_descriptor_on_a_mount_that_hangs()
    {
        using var directory = new TemporaryDirectory();
        using var device = new FakeDevice();
        using ITpmTransport transport = Connected(device);
        string program = directory.File("hung_mount");
        Assert.Empty(Swtpm.Run("gcc", ["-Wall", "-Werror", "-o", program, Path.Combine(
            AppContext.BaseDirectory, "native", "hung_mount.c")]));
        Directory.CreateDirectory(directory.File("mount"));
        using Process hung =
            Process.Start(new ProcessStartInfo(program, [directory.File("mount")]) { RedirectStandardOutput = true })!;
        try
        {
            Assert.Equal("ready", await hung.StandardOutput.ReadLineAsync());
            Task<string> described = Task.Run(new DeviceHolders(device.Path).Describe);
            Assert.Equal(" by this very process", await described.WaitAsync(TpmClient.Patience));
        }
        finally
        {
            hung.Kill();
            await hung.WaitForExitAsync();
        }
    }

    private static ITpmTransport Connected(FakeDevice device)
    {
        ITpmTransport transport = TestTransport.Create($"device:{device.Path}");
        TpmClient.Connect(transport);
        return transport;
    }

    private static Task Serve(FakeDevice device, Action answer) => Serve(device, () =>
    {
        answer();
        return Task.CompletedTask;
    });

    private static Task Serve(FakeDevice device, Func<Task> answer) => Task.Run(async () =>
    {
        Assert.Equal(TpmClient.GetRandom8, device.ReceiveCommand(TpmClient.GetRandom8.Length));
        await answer();
    });
}
