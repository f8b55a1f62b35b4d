using System.Buffers.Binary;
using TpmFs.Tpm.Tests.Harness;
using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>A process is killed, and the next one goes on with the descriptors that were kept.</summary>
public sealed class AdoptionTests : IDisposable
{
    private const int SigCont = 18;
    private const int SigStop = 19;

    private static readonly byte[] s_setLocality3 = [0, 0, 0, 5, 3];

    private readonly TemporaryDirectory _directory = new();
    private readonly byte[] _response = new byte[4096];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void An_embedded_tpm_outlives_its_process_with_what_it_holds()
    {
        EmbeddedTransport killed = Start();
        byte[] made = TpmClient.Execute(killed, TpmClient.CreatePrimaryRsa);
        using EmbeddedTransport next = Adopt(killed);
        Assert.Equal(killed.ServerProcess, next.ServerProcess);
        Assert.Equal(new TpmTransportFeatures(CanCancel: true, HighestLocality: 4), next.Features);
        byte[] flush = new TpmCommandBuilder(TpmCc.FlushContext)
            .U32(BinaryPrimitives.ReadUInt32BigEndian(made.AsSpan(10))).Build();
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(next, flush)));
        Assert.Equal(["control", "data", "output", "process"], next.Kept.Select(kept => kept.Name).Order());
    }

    [Fact]
    public void An_embedded_tpm_that_was_adopted_is_ended_in_order()
    {
        EmbeddedTransport killed = Start();
        int process = killed.ServerProcess;
        Adopt(killed).Dispose();
        Assert.False(Directory.Exists($"/proc/{process}") && IsAlive(process));
    }

    [Fact]
    public void A_response_that_the_killed_process_waited_for_is_received()
    {
        EmbeddedTransport killed = Start();
        var keeper = new Keeper(killed);
        keeper.Send("data", TpmClient.CreatePrimaryRsa);
        using EmbeddedTransport next = Adopt(killed);
        AssertFinishes(next, wasSent: true);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(15)]
    [InlineData(20)]
    public void A_response_that_the_killed_process_received_in_part_is_whole(int received)
    {
        EmbeddedTransport killed = Start();
        var keeper = new Keeper(killed);
        keeper.Send("data", TpmClient.GetRandom8);
        keeper.Receive("data", _response.AsSpan(0, Math.Max(received, 6)));
        using EmbeddedTransport next = Adopt(killed);
        AssertFinishes(next, wasSent: true);
        Assert.Equal(8, BinaryPrimitives.ReadUInt16BigEndian(_response.AsSpan(10)));
        Assert.NotEqual(new byte[8], _response[12..20]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_swtpm_tells_whether_it_had_the_command_that_was_being_sent(bool isSent)
    {
        using var swtpm = new Swtpm();
        ITpmTransport killed = swtpm.Connect();
        TpmClient.Execute(killed, TpmClient.Startup);
        var keeper = new Keeper(killed);
        if (isSent)
        {
            keeper.Send("data", TpmClient.GetRandom8);
        }

        using ITpmTransport next = TestTransport.Create(swtpm.Spec);
        Assert.True(next.TryAdopt(keeper.Hand(), out string problem), problem);
        Assert.True(next.TryConnect(TpmClient.Patience, out _));
        if (isSent)
        {
            AssertFinishes(next, wasSent: false);
        }
        else
        {
            Assert.Equal(
                TransmitStatus.NotSent, next.FinishExchange(false, _response, TpmClient.Patience).Status);
            AssertWorks(next);
        }
    }

    [Fact]
    public void A_killed_process_that_was_asking_whether_it_had_sent_a_command_confuses_nobody()
    {
        EmbeddedTransport killed = Start();
        var keeper = new Keeper(killed);
        keeper.Send("data", TpmClient.Command(TpmSt.NoSessions, (TpmCc)0xFFF0));
        using EmbeddedTransport next = Adopt(killed);
        Assert.Equal(TransmitStatus.NotSent, next.FinishExchange(false, _response, TpmClient.Patience).Status);
        AssertWorks(next);
    }

    /// <summary>The answers would otherwise be taken for those to the next requests.</summary>
    [Fact]
    public void Answers_that_the_control_channel_owes_the_killed_process_are_dropped()
    {
        EmbeddedTransport killed = Start();
        var keeper = new Keeper(killed);
        keeper.Send("control", s_setLocality3);
        using EmbeddedTransport next = Adopt(killed);
        Assert.Equal(TpmRc.Locality, TpmClient.CodeOf(TpmClient.Execute(next, TpmClient.ResetPcr20)));
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(next, TpmClient.ResetPcr20, locality: 2)));
        AssertWorks(next);
    }

    /// <summary>
    /// swtpm took the killed process' request and the next one's for one request, and answered one of them. No request
    /// on the control channel was answered from then on.
    /// </summary>
    [Fact]
    public void A_request_that_swtpm_has_not_read_yet_is_not_taken_for_one_with_the_next()
    {
        EmbeddedTransport killed = Start();
        var keeper = new Keeper(killed);
        int server = killed.ServerProcess;
        Assert.Equal(0, ProcessCalls.Kill(server, SigStop));
        keeper.Send("control", s_setLocality3);
        using EmbeddedTransport next = Adopt(killed);
        TransmitResult tooEarly = TpmClient.TryGetRandom(next, TimeSpan.FromMilliseconds(300), locality: 2);
        Assert.NotEqual(TransmitStatus.Ok, tooEarly.Status);
        Assert.Equal(0, ProcessCalls.Kill(server, SigCont));
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(next, TpmClient.ResetPcr20, locality: 2)));
        AssertWorks(next);
    }

    /// <summary>
    /// The next process took the answer to the killed one's question for that to its own, and each request from then on
    /// got the answer to the one before.
    /// </summary>
    [Theory]
    [InlineData("7FFFFFF0")]
    [InlineData("00000005FF")]
    [InlineData("7FFFFFF0", "00000005FF")]
    [InlineData("7FFFFFF0", "7FFFFFF0", "00000005FF", "7FFFFFF0")]
    [InlineData("00000001", "7FFFFFF0", "00000005FF")]
    public void A_killed_process_that_was_getting_in_step_confuses_nobody(params string[] requests)
    {
        EmbeddedTransport killed = Start();
        var keeper = new Keeper(killed);
        foreach (string request in requests)
        {
            keeper.Send("control", Convert.FromHexString(request));
            keeper.AwaitRead("control");
        }

        using EmbeddedTransport next = Adopt(killed);
        Assert.Equal(TpmRc.Locality, TpmClient.CodeOf(TpmClient.Execute(next, TpmClient.ResetPcr20)));
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(next, TpmClient.ResetPcr20, locality: 2)));
        AssertWorks(next);
    }

    [Fact]
    public void A_cancel_before_the_control_channel_is_in_step_confuses_nobody()
    {
        EmbeddedTransport killed = Start();
        var keeper = new Keeper(killed);
        keeper.Send("control", s_setLocality3);
        keeper.Send("data", TpmClient.CreatePrimaryRsa);
        using EmbeddedTransport next = Adopt(killed);
        next.Cancel();
        Assert.Equal(TransmitStatus.Ok, next.FinishExchange(true, _response, TpmClient.Patience).Status);
        AssertWorks(next);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(next, TpmClient.ResetPcr20, locality: 2)));
    }

    [Fact]
    public void A_tpm_that_has_ended_is_not_adopted()
    {
        EmbeddedTransport killed = Start();
        var keeper = new Keeper(killed);
        IReadOnlyDictionary<string, Microsoft.Win32.SafeHandles.SafeFileHandle> kept = keeper.Hand();
        killed.Dispose();
        using var next = new EmbeddedTransport(_directory.File("next"));
        Assert.False(next.TryAdopt(kept, out string problem));
        Assert.Equal("the embedded swtpm has ended", problem);
    }

    [Fact]
    public void A_swtpm_that_closes_each_connection_cannot_be_kept_and_says_so()
    {
        using var swtpm = new Swtpm(closes: true);
        using ITpmTransport transport = swtpm.Connect();
        int changes = 0;
        transport.WhenKeptChanges(() => changes++);
        Assert.Single(transport.Kept);
        TpmClient.Execute(transport, TpmClient.Startup);
        Assert.Empty(transport.Kept);
        Assert.Equal(1, changes);
    }

    [Fact]
    public void A_device_answers_the_process_that_goes_on_with_it()
    {
        using var device = new FakeDevice();
        ITpmTransport killed = TestTransport.Create($"device:{device.Path}");
        TpmClient.Connect(killed);
        using ITpmTransport next = TestTransport.Create($"device:{device.Path}");
        Assert.True(next.TryAdopt(new Keeper(killed).Hand(), out string problem), problem);
        Assert.True(next.TryConnect(TpmClient.Patience, out _));
        Assert.Equal(TransmitStatus.NotSent, next.FinishExchange(false, _response, TpmClient.Patience).Status);
        byte[] answer = TpmClient.Response(TpmRc.Success, 1, 2, 3);
        device.Send(answer);
        TransmitResult result = next.FinishExchange(true, _response, TpmClient.Patience);
        Assert.Equal((TransmitStatus.Ok, answer.Length), (result.Status, result.Length));
        Assert.Equal(answer, _response[..answer.Length]);
    }

    private EmbeddedTransport Start()
    {
        var transport = new EmbeddedTransport(_directory.File("state"));
        TpmClient.Connect(transport);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.Startup)));
        return transport;
    }

    /// <summary>
    /// Goes on after the other one. Its state directory is another one, since the other transport lives in this process
    /// and holds the lock on its own.
    /// </summary>
    private EmbeddedTransport Adopt(EmbeddedTransport killed)
    {
        var next = new EmbeddedTransport(_directory.File("next"));
        Assert.True(next.TryAdopt(new Keeper(killed).Hand(), out string problem), problem);
        Assert.True(next.TryConnect(TpmClient.Patience, out problem), problem);
        return next;
    }

    private void AssertFinishes(ITpmTransport transport, bool wasSent)
    {
        TransmitResult result = transport.FinishExchange(wasSent, _response, TpmClient.Patience);
        Assert.True(result.Status == TransmitStatus.Ok, result.Problem);
        Assert.Equal(result.Length, BinaryPrimitives.ReadInt32BigEndian(_response.AsSpan(2)));
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(_response));
        AssertWorks(transport);
    }

    private static void AssertWorks(ITpmTransport transport) =>
        Assert.Equal(20, TpmClient.Execute(transport, TpmClient.GetRandom8).Length);

    private static bool IsAlive(int process) =>
        !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
}
