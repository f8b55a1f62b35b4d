using System.Diagnostics;
using System.Net.Sockets;
using TpmFs.Tpm.Tests.Harness;
using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>Against a real swtpm.</summary>
public sealed class SwtpmTransportTests
{
    private const int SigCont = 18;
    private const int SigStop = 19;

    [Fact]
    public void A_command_is_answered()
    {
        using var swtpm = new Swtpm();
        using ITpmTransport transport = swtpm.Connect();
        Assert.Equal(new TpmTransportFeatures(CanCancel: true, HighestLocality: 4), transport.Features);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.Startup)));
        Assert.Equal(20, TpmClient.Execute(transport, TpmClient.GetRandom8).Length);
    }

    [Fact]
    public void Each_command_runs_in_the_locality_that_it_is_given()
    {
        using var swtpm = new Swtpm();
        using (ITpmTransport transport = swtpm.Connect())
        {
            TpmClient.Execute(transport, TpmClient.Startup);
            Assert.Equal(
                TpmRc.Locality, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.ResetPcr20, locality: 0)));
            Assert.Equal(
                TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.ResetPcr20, locality: 2)));
            Assert.Equal(
                TpmRc.Locality, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.ResetPcr20, locality: 1)));
            Assert.Equal(
                TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.ResetPcr20, locality: 2)));
        }

        // The next client, who knows nothing of localities, does not have the last one's.
        var deadline = Deadline.After(TpmClient.Patience);
        var address = new UnixDomainSocketEndPoint(swtpm.DataPath);
        Assert.True(TpmSocket.TryConnect(address, deadline, out TpmSocket? next, out string problem), problem);
        byte[] response = new byte[10];
        Assert.Equal(IoStatus.Ok, next!.SendAll(TpmClient.ResetPcr20, deadline));
        Assert.Equal(IoStatus.Ok, next.ReceiveExactly(response, deadline));
        Assert.Equal(TpmRc.Locality, TpmClient.CodeOf(response));
        next.Dispose();
    }

    [Fact]
    public void A_locality_that_there_is_not_is_refused_and_the_link_goes_on()
    {
        using var swtpm = new Swtpm();
        using ITpmTransport transport = swtpm.Connect();
        TransmitResult result = transport.Transmit(TpmClient.Startup, 5, new byte[4096], TpmClient.Patience);
        Assert.Equal(TransmitStatus.LocalityRefused, result.Status);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.Startup)));
    }

    [Fact]
    public void Without_a_control_channel_there_is_locality_0_and_no_cancel()
    {
        using var swtpm = new Swtpm(withControl: false);
        using ITpmTransport transport = swtpm.Connect();
        Assert.Equal(default, transport.Features);
        transport.Cancel();
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.Startup)));
        TransmitResult result = TpmClient.TryGetRandom(transport, TpmClient.Patience, locality: 1);
        Assert.Equal(TransmitStatus.LocalityRefused, result.Status);
    }

    [Fact]
    public void A_response_that_was_given_up_is_never_taken_for_a_later_one()
    {
        using var swtpm = new Swtpm();
        using ITpmTransport transport = swtpm.Connect();
        TpmClient.Execute(transport, TpmClient.Startup);
        for (int round = 0; round < 3; round++)
        {
            // Stopped, swtpm answers nothing; then it has the old connection's command to answer before it sees the new
            // one.
            Assert.Equal(0, ProcessCalls.Kill(swtpm.ProcessId, SigStop));
            TransmitResult result = transport.Transmit(
                TpmClient.CreatePrimaryRsa, 0, new byte[4096], TimeSpan.FromMilliseconds(50));
            Assert.Equal(TransmitStatus.TimedOut, result.Status);
            Assert.Equal(0, ProcessCalls.Kill(swtpm.ProcessId, SigCont));
            TpmClient.Connect(transport);
            Assert.Equal(20, TpmClient.Execute(transport, TpmClient.GetRandom8).Length);
        }
    }

    [Fact]
    public void Cancels_at_any_time_leave_every_answer_right()
    {
        using var swtpm = new Swtpm();
        using ITpmTransport transport = swtpm.Connect();
        TpmClient.Execute(transport, TpmClient.Startup);
        CancelThroughout(transport);
    }

    [Fact]
    public void A_tpm_that_is_not_there_is_named()
    {
        using var directory = new TemporaryDirectory();
        using ITpmTransport transport = TestTransport.Create($"swtpm:path={directory.File("none")}");
        Assert.False(transport.TryConnect(TpmClient.Patience, out string problem));
        Assert.Contains(directory.File("none"), problem, StringComparison.Ordinal);
        Assert.Contains("no such socket", problem, StringComparison.Ordinal);
        Assert.Equal(TransmitStatus.NotSent, TpmClient.TryGetRandom(transport, TpmClient.Patience).Status);
        transport.Cancel();
    }

    /// <summary>
    /// Cancels all the while, from another thread, and looks that every answer is that of its command.
    /// </summary>
    internal static void CancelThroughout(ITpmTransport transport)
    {
        using var stop = new CancellationTokenSource();
        var canceller = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                long start = Stopwatch.GetTimestamp();
                transport.Cancel();
                Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(5));
                Thread.Yield();
            }
        });
        canceller.Start();
        for (int round = 0; round < 300; round++)
        {
            Assert.Equal(20, TpmClient.Execute(transport, TpmClient.GetRandom8, (byte)(round % 5)).Length);
        }

        stop.Cancel();
        canceller.Join();
    }
}
