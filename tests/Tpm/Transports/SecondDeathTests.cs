using System.Text;
using Microsoft.Win32.SafeHandles;
using TpmFs.Os;
using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>
/// A process that wants to find out whether swtpm has had a command sends one that no TPM knows. It may be killed at
/// each step; the next one must not take the answer to that for a part of the response.
/// </summary>
public sealed class SecondDeathTests : IDisposable
{
    private static readonly TimeSpan s_time = TimeSpan.FromSeconds(10);

    /// <summary>Of 52 bytes, as that of TPM2_Hash is.</summary>
    private static readonly byte[] s_response =
        [0x80, 1, 0, 0, 0, 52, 0, 0, 0, 0, .. Encoding.ASCII.GetBytes("the digest, and the ticket behind it, 42 b")];

    private static readonly byte[] s_answer = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x43];

    private readonly SafeFileHandle _swtpm;
    private readonly SwtpmData _data;

    public SecondDeathTests()
    {
        Assert.False(SocketCalls.Pair(out SafeFileHandle ours, out _swtpm).IsError);
        _data = new SwtpmData(TpmSocket.Adopt(ours), open: null, TimeSpan.Zero);
    }

    public void Dispose()
    {
        _data.Dispose();
        _swtpm.Dispose();
    }

    /// <summary>The answer overwrote the end of a response that was there, and a client got a wrong digest.</summary>
    [Theory]
    [InlineData(52, 0)]
    [InlineData(52, 1)]
    [InlineData(52, 2)]
    [InlineData(10, 0)]
    [InlineData(10, 1)]
    [InlineData(30, 2)]
    public void The_received_part_of_a_response_stays_and_the_rest_is_received(int received, int answers)
    {
        byte[] buffer = new byte[4096];
        s_response.AsSpan(0, received).CopyTo(buffer);
        Give(s_response.AsSpan(received));
        for (int i = 0; i < answers; i++)
        {
            Give(s_answer);
        }

        TransmitResult result = _data.Finish(wasSent: false, buffer, Deadline.After(s_time), s_time);
        Assert.Equal((TransmitStatus.Ok, 52), (result.Status, result.Length));
        Assert.Equal(s_response, buffer[..52]);
        Assert.True(_data.IsQuiet);
    }

    [Fact]
    public void An_answer_that_was_received_is_not_the_commands_response()
    {
        byte[] buffer = new byte[4096];
        s_answer.CopyTo(buffer, 0);
        Give(s_answer); // to what is sent now
        TransmitResult result = _data.Finish(wasSent: false, buffer, Deadline.After(s_time), s_time);
        Assert.Equal(TransmitStatus.NotSent, result.Status);
        Assert.Equal(-1, buffer.AsSpan().IndexOfAnyExcept((byte)0));
    }

    private void Give(ReadOnlySpan<byte> bytes) =>
        Assert.False(bytes.Length > 0 && FileCalls.Write(_swtpm, bytes).IsError);
}
