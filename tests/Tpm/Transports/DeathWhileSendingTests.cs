using System.Buffers.Binary;
using TpmFs.Tpm.Tests.Harness;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>
/// A process is killed while it sends a command, and the next one goes on with the descriptors that were kept: the TPM
/// executes the command once, whatever it had of it by then.
/// </summary>
public sealed class DeathWhileSendingTests
{
    private const uint Pcr = 10;

    /// <summary>Each time that the TPM executes it, the update counter of the PCRs grows.</summary>
    private static readonly byte[] s_extend = new TpmCommandBuilder(TpmCc.PcrExtend)
        .Handle(Pcr).Password().U32(1).U16(0x0B).U32(1).U32(2).U32(3).U32(4).U32(5).U32(6).U32(7).U32(8).Build();

    private static readonly byte[] s_read = new TpmCommandBuilder(TpmCc.PcrRead).U32(0).Build();

    private readonly byte[] _response = new byte[4096];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_swtpm_executes_a_command_once_that_it_has_no_byte_of_or_all(bool tcp) =>
        AssertExecutedOnce(tcp, [0, s_extend.Length]);

    /// <summary>
    /// send(2) gives a socket whose buffer is empty all of a command or nothing. What would come of a part of one:
    /// a client would get TPM_RC_COMMAND_SIZE as the response to a command that is as long as it says, or would wait
    /// until its time is up.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_swtpm_executes_a_command_once_that_it_has_a_part_of(bool tcp) =>
        AssertExecutedOnce(tcp, Enumerable.Range(1, s_extend.Length - 1));

    /// <summary>write(2) gives a TPM's device all of a command or nothing.</summary>
    [Fact]
    public async Task A_device_that_had_no_command_gets_it_once()
    {
        using var device = new FakeDevice();
        using ITpmTransport next = Adopt(device);
        Assert.Equal(TransmitStatus.NotSent, next.FinishExchange(false, _response, TpmClient.Patience).Status);
        Task<byte[]> answer = Task.Run(() => TpmClient.Execute(next, s_extend));
        Assert.Equal(s_extend, device.ReceiveCommand(s_extend.Length));
        device.Send(TpmClient.Response(TpmRc.Success));
        Assert.Equal(TpmClient.Response(TpmRc.Success), await answer);
    }

    [Fact]
    public async Task A_device_that_had_a_command_answers_it_and_gets_no_other()
    {
        using var device = new FakeDevice();
        using ITpmTransport next = Adopt(device, s_extend);
        Assert.Equal(s_extend, device.ReceiveCommand(s_extend.Length));
        device.Send(TpmClient.Response(TpmRc.Success));
        TransmitResult result = next.FinishExchange(false, _response, TpmClient.Patience);
        Assert.Equal((TransmitStatus.Ok, 10), (result.Status, result.Length));
        Task<byte[]> answer = Task.Run(() => TpmClient.Execute(next, s_read));
        Assert.Equal(s_read, device.ReceiveCommand(s_read.Length));
        device.Send(TpmClient.Response(TpmRc.Success));
        Assert.Equal(TpmClient.Response(TpmRc.Success), await answer);
    }

    /// <summary>
    /// Regression: a device that was opened anew took another command, which was taken for a sign that the TPM had not
    /// had the one before. The TPM got that one a second time.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_device_that_is_opened_anew_does_not_tell_what_became_of_a_command(bool wasSent)
    {
        using var device = new FakeDevice();
        using ITpmTransport next = TestTransport.Create($"device:{device.Path}");
        Assert.True(next.TryConnect(TpmClient.Patience, out _));
        Assert.Equal(
            TransmitStatus.Disconnected, next.FinishExchange(wasSent, _response, TpmClient.Patience).Status);
    }

    /// <summary>
    /// Sends the first bytes of a command, as many as each number says, and goes on as the next process.
    /// </summary>
    private void AssertExecutedOnce(bool tcp, IEnumerable<int> lengths)
    {
        using var swtpm = new Swtpm(tcp: tcp);
        ITpmTransport killed = swtpm.Connect();
        TpmClient.Execute(killed, TpmClient.Startup);
        foreach (int length in lengths)
        {
            uint before = Updates(killed);
            var keeper = new Keeper(killed);
            keeper.Send("data", s_extend[..length]);
            ITpmTransport next = TestTransport.Create(swtpm.Spec);
            Assert.True(next.TryAdopt(keeper.Hand(), out string problem), problem);
            Assert.True(next.TryConnect(TpmClient.Patience, out _));
            _response.AsSpan().Clear();
            TransmitResult result = next.FinishExchange(false, _response, TimeSpan.FromSeconds(5));
            bool isWhole = length == s_extend.Length;
            Assert.Equal((length, isWhole ? TransmitStatus.Ok : TransmitStatus.NotSent), (length, result.Status));
            byte[] response = isWhole ? _response : TpmClient.Execute(next, s_extend);
            Assert.Equal((length, TpmRc.Success), (length, TpmClient.CodeOf(response)));
            Assert.Equal((length, before + 1), (length, Updates(next)));
            killed.Dispose();
            killed = next;
        }

        killed.Dispose();
    }

    private static uint Updates(ITpmTransport transport) =>
        BinaryPrimitives.ReadUInt32BigEndian(TpmClient.Execute(transport, s_read).AsSpan(10));

    /// <summary>Goes on after a process that was killed before or after it had sent a command.</summary>
    private static ITpmTransport Adopt(FakeDevice device, byte[]? sent = null)
    {
        ITpmTransport killed = TestTransport.Create($"device:{device.Path}");
        TpmClient.Connect(killed);
        var keeper = new Keeper(killed);
        if (sent is not null)
        {
            keeper.Write("device", sent);
        }

        ITpmTransport next = TestTransport.Create($"device:{device.Path}");
        Assert.True(next.TryAdopt(keeper.Hand(), out string problem), problem);
        Assert.True(next.TryConnect(TpmClient.Patience, out _));
        return next;
    }
}
