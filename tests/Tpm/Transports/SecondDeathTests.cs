using System.Text;
using Microsoft.Win32.SafeHandles;
using TpmFs.Os;
using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>
/// A process that wants to find out whether swtpm has had a command sends markers. It may be killed at each step; the
/// next one must not take the answer to a marker for the response, nor leave one to the command after it.
/// </summary>
public sealed class SecondDeathTests : IDisposable
{
    private const int CommandSize = 0x142;

    private static readonly TimeSpan s_time = TimeSpan.FromSeconds(10);

    /// <summary>Of 52 bytes, as that of TPM2_Hash is.</summary>
    private static readonly byte[] s_response =
        [0x80, 1, 0, 0, 0, 52, 0, 0, 0, 0, .. Encoding.ASCII.GetBytes("the digest, and the ticket behind it, 42 b")];

    /// <summary>How swtpm answers the markers with the numbers 0, 1 and so on (measured).</summary>
    private static readonly int[] s_answers = [0x143, 0x1E, 0x1DA, 0x2DA, 0x3DA, 0x4DA, 0x5DA];

    /// <summary>Longer than a process ever waited for an answer that may come.</summary>
    private static readonly TimeSpan s_longPause = TimeSpan.FromMilliseconds(500);

    private readonly SafeFileHandle _swtpm;
    private int _given; // Answers to the markers of killed processes.
    private int _answered; // Other markers.
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
    public void What_was_received_of_a_response_stays_and_the_rest_is_received(int received, int answers)
    {
        byte[] buffer = NewBuffer(markers: answers);
        s_response.AsSpan(0, received).CopyTo(buffer);
        Give(s_response.AsSpan(received));
        for (int marker = 1; marker <= answers; marker++)
        {
            Give(AnswerTo(marker));
        }

        AnswerMarkers();
        TransmitResult result = _data.Finish(wasSent: false, buffer, Deadline.After(s_time), s_time);
        Assert.Equal((TransmitStatus.Ok, 52), (result.Status, result.Length));
        Assert.Equal(s_response, buffer[..52]);
        AssertNothingIsToCome(buffer);
    }

    [Theory]
    [InlineData(0x143)] // to a marker
    [InlineData(CommandSize)] // to a part of the command
    public void An_answer_that_was_received_is_not_the_commands_response(int code)
    {
        byte[] buffer = NewBuffer(markers: 0);
        Answer(code).CopyTo(buffer, 0);
        AnswerMarkers();
        TransmitResult result = _data.Finish(wasSent: false, buffer, Deadline.After(s_time), s_time);
        Assert.Equal(TransmitStatus.NotSent, result.Status);
        Assert.Equal(-1, buffer.AsSpan(0, 4095).IndexOfAnyExcept((byte)0));
        AssertNothingIsToCome(buffer);
    }

    /// <summary>
    /// Regression: a process waited for 50 ms for the answers to what killed processes had sent. On a busy machine they
    /// came later, and the next command got one of them as its response.
    /// </summary>
    /// <param name="isExecuted">True when swtpm has the command, and responds to it.</param>
    /// <param name="killed">How many processes were killed after they had sent a marker.</param>
    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 3)]
    [InlineData(true, 0)]
    [InlineData(true, 2)]
    public async Task A_swtpm_that_answers_late_is_waited_for(bool isExecuted, int killed)
    {
        byte[] buffer = NewBuffer(markers: killed);
        Give(isExecuted ? s_response : []);
        for (int marker = 1; marker <= killed; marker++)
        {
            Give(AnswerTo(marker));
        }

        using var late = new ManualResetEventSlim();
        AnswerMarkers(late);
        Task<TransmitResult> finishing = Task.Run(
            () => _data.Finish(wasSent: false, buffer, Deadline.After(s_time), s_time));
        Assert.NotSame(finishing, await Task.WhenAny(finishing, Task.Delay(s_longPause)));
        late.Set();
        TransmitResult result = await finishing;
        Assert.Equal(isExecuted ? TransmitStatus.Ok : TransmitStatus.NotSent, result.Status);
        Assert.Equal(isExecuted ? s_response : new byte[52], buffer[..52]);
        AssertNothingIsToCome(buffer);
    }

    /// <summary>A TPM may answer the command itself as it answers a marker.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_command_that_is_answered_as_a_marker_is_leaves_no_answer_behind(int marker)
    {
        byte[] buffer = NewBuffer(markers: 0);
        Give(AnswerTo(marker));
        AnswerMarkers();
        TransmitResult result = _data.Finish(wasSent: false, buffer, Deadline.After(s_time), s_time);
        Assert.Equal(TransmitStatus.NotSent, result.Status); // A TPM that answers so has done nothing.
        AssertNothingIsToCome(buffer);
    }

    /// <summary>Returns the memory for a response, in which killed processes have counted their markers.</summary>
    private byte[] NewBuffer(int markers)
    {
        _given = markers;
        byte[] buffer = new byte[4096];
        buffer[^1] = (byte)markers;
        return buffer;
    }

    private static byte[] Answer(int code) => [0x80, 1, 0, 0, 0, 10, 0, 0, (byte)(code >> 8), (byte)code];

    private static byte[] AnswerTo(int marker) => Answer(s_answers[marker % s_answers.Length]);

    /// <summary>Answers what comes, each command that is a marker; as swtpm does, one answer to one read.</summary>
    /// <param name="late">When to give the first answer; null for at once.</param>
    private void AnswerMarkers(ManualResetEventSlim? late = null) => _ = Task.Run(() =>
    {
        byte[] read = new byte[64];
        while (!SocketCalls.Receive(_swtpm, read, out int count).IsError && count > 0)
        {
            late?.Wait();
            byte[] sent = read.AsSpan(0, count).ToArray();
            int marker = Array.FindIndex(
                s_answers, answer => SwtpmMarker.Command(Array.IndexOf(s_answers, answer)).SequenceEqual(sent));
            int commands = 0;
            for (int offset = 0; offset < count; offset += read[offset + 5])
            {
                commands++;
            }

            Interlocked.Add(ref _answered, commands);
            Give(marker < 0 ? Answer(CommandSize) : AnswerTo(marker));
        }
    });

    /// <summary>Asserts that each marker was answered, and each answer received.</summary>
    private void AssertNothingIsToCome(byte[] buffer)
    {
        Assert.Equal(buffer[^1], _given + _answered);
        Assert.True(_data.IsQuiet);
    }

    private void Give(ReadOnlySpan<byte> bytes) =>
        Assert.False(bytes.Length > 0 && FileCalls.Write(_swtpm, bytes).IsError);
}
