using System.Diagnostics;
using TpmFs.Tpm.Tests.Harness;
using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Transports;

/// <summary>
/// TCTIs: one that can everything, on a real swtpm, and odd ones, played by scripts behind the TCTI "cmd".
/// </summary>
public sealed class TctiTransportTests : IDisposable
{
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(300);
    private readonly TemporaryDirectory _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_TPM_behind_the_TCTI_of_swtpm_is_used_at_the_locality_of_each_command()
    {
        using var swtpm = new Swtpm();
        using ITpmTransport transport = TestTransport.Create($"tcti:{swtpm.Spec}");
        TpmClient.Connect(transport);
        Assert.Equal(4, transport.Features.HighestLocality);
        TpmClient.Execute(transport, TpmClient.Startup);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.ResetPcr20, locality: 2)));
        Assert.Equal(TpmRc.Locality, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.ResetPcr20, locality: 0)));
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.ResetPcr20, locality: 2)));
    }

    [Theory]
    [InlineData("p", true, 4)]
    [InlineData("", false, 4)] // nobody can be cancelled while receive has the TCTI
    [InlineData("n", false, 0)]
    public void The_abilities_of_a_TCTI_are_found_out(string letters, bool canCancel, byte locality)
    {
        using ITpmTransport transport = Odd(letters);
        Assert.Equal(new TpmTransportFeatures(canCancel, locality), transport.Features);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.GetRandom8, locality)));
    }

    [Fact]
    public async Task A_cancel_reaches_the_command_that_waits_and_no_other()
    {
        using ITpmTransport transport = Odd("pw");
        for (int round = 0; round < 20; round++)
        {
            transport.Cancel(); // nothing is under way
            Task<byte[]> command = Task.Run(() => TpmClient.Execute(transport, TpmClient.GetRandom8));
            while (!command.IsCompleted)
            {
                transport.Cancel();
                await Task.Yield();
            }

            Assert.Equal(TpmRc.Canceled, TpmClient.CodeOf(await command));
        }

        Assert.Equal(TransmitStatus.TimedOut, TpmClient.TryGetRandom(transport, s_short).Status);
    }

    [Theory]
    [InlineData("t")]
    [InlineData("tp")]
    public void A_TCTI_that_wants_to_be_asked_again_is(string letters)
    {
        using ITpmTransport transport = Odd(letters);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.GetRandom8)));
    }

    [Theory]
    [InlineData("w")]
    [InlineData("wp")]
    [InlineData("wpo")] // it can always be written to
    public void A_response_that_does_not_come_is_given_up_in_time_and_the_TCTI_is_as_good_as_new(string letters)
    {
        using ITpmTransport transport = Odd(letters);
        long start = Stopwatch.GetTimestamp();
        Assert.Equal(TransmitStatus.TimedOut, TpmClient.TryGetRandom(transport, s_short).Status);
        TpmClient.AssertTook(s_short, start);
        TpmClient.Connect(transport);
        Assert.Equal(TransmitStatus.TimedOut, TpmClient.TryGetRandom(transport, s_short).Status);
    }

    [Fact]
    public void A_command_that_takes_too_long_is_cancelled()
    {
        string mark = _folder.File("cancelled");
        ITpmTransport transport = Odd("wp" + mark);
        Assert.Equal(TransmitStatus.TimedOut, TpmClient.TryGetRandom(transport, s_short).Status);
        transport.Dispose();
        Assert.True(File.Exists(mark));
    }

    [Fact]
    public void A_TCTI_whose_cancel_hangs_is_given_up_and_the_next_one_works()
    {
        using ITpmTransport transport = Odd("wph");
        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(TransmitStatus.TimedOut, TpmClient.TryGetRandom(transport, s_short).Status);
            TpmClient.Connect(transport);
        }
    }

    [Fact]
    public async Task A_cancel_that_hangs_does_not_hold_up_the_end_of_the_commands_time()
    {
        using ITpmTransport transport = Odd("wph");
        Task<TransmitResult> command = Task.Run(() => TpmClient.TryGetRandom(transport, s_short));
        while (!command.IsCompleted)
        {
            transport.Cancel();
            await Task.Yield();
        }

        Assert.Equal(TransmitStatus.TimedOut, (await command.WaitAsync(TpmClient.Patience)).Status);
    }

    [Fact]
    public async Task A_TCTI_whose_receive_hangs_does_not_hold_up_who_ends()
    {
        string mark = _folder.File("receiving");
        ITpmTransport transport = Odd("pk" + mark);
        _ = Task.Factory.StartNew(
            () => TpmClient.TryGetRandom(transport, TpmClient.Patience), TaskCreationOptions.LongRunning);
        Assert.True(SpinWait.SpinUntil(() => File.Exists(mark), TpmClient.Patience));
        await Task.Run(transport.Dispose).WaitAsync(TpmClient.Patience);
    }

    [Fact]
    public void A_TCTI_that_loses_what_it_cancels_is_not_asked_to()
    {
        using ITpmTransport transport = Odd("wp", name: "libtss2-tcti-mssim.so.0");
        Assert.False(transport.Features.CanCancel);
    }

    [Theory]
    [InlineData("b", "cannot receive: the buffer is too small (0xA0006)")]
    [InlineData("s", "cannot send: an input/output error (0xA000A)")]
    public void A_TCTI_that_fails_or_lies_loses_the_command_and_says_how(string letters, string hint)
    {
        using ITpmTransport transport = Odd(letters);
        TransmitResult result = TpmClient.TryGetRandom(transport, TpmClient.Patience);
        Assert.Equal(TransmitStatus.Disconnected, result.Status);
        Assert.Contains(hint, result.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_locality_that_a_TCTI_refuses_sends_nothing_and_harms_nothing()
    {
        using ITpmTransport transport = Odd("pl");
        TransmitResult result = TpmClient.TryGetRandom(transport, TpmClient.Patience, locality: 2);
        Assert.Equal(TransmitStatus.LocalityRefused, result.Status);
        Assert.Contains("a bad value (0xA000B)", result.Problem, StringComparison.Ordinal);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.GetRandom8)));
    }

    [Fact]
    public void A_TPM_that_dies_is_lost_and_what_is_not_connected_sends_nothing()
    {
        using var swtpm = new Swtpm();
        using ITpmTransport transport = TestTransport.Create($"tcti:{swtpm.Spec}");
        TpmClient.Connect(transport);
        TpmClient.Execute(transport, TpmClient.Startup);
        _ = ProcessCalls.Kill(swtpm.ProcessId, ProcessCalls.SigKill);
        Assert.Equal(TransmitStatus.Disconnected, TpmClient.TryGetRandom(transport, TpmClient.Patience).Status);
        Assert.False(transport.TryConnect(s_short, out string problem));
        Assert.Contains(swtpm.Spec, problem, StringComparison.Ordinal);
        Assert.Equal(TransmitStatus.NotSent, TpmClient.TryGetRandom(transport, TpmClient.Patience).Status);
    }

    [Fact]
    public void A_TCTI_without_locality_and_cancel_says_so()
    {
        using ITpmTransport transport = Played(
            "head -c 12 >/dev/null; printf '\\200\\001\\000\\000\\000\\012\\000\\000\\000\\000'; cat >/dev/null");
        Assert.Equal(new TpmTransportFeatures(CanCancel: false, HighestLocality: 0), transport.Features);
        Assert.Equal(TransmitStatus.LocalityRefused, TpmClient.TryGetRandom(transport, s_short, locality: 3).Status);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.GetRandom8)));
        transport.Cancel();
    }

    [Theory]
    [InlineData("head -c 12 >/dev/null; exit 0")] // gone without an answer
    [InlineData("head -c 12 >/dev/null; printf '\\200\\001\\000\\000'; exit 0")] // half a header
    [InlineData("head -c12 >/dev/null; printf '\\200\\001\\000\\000\\000\\024\\000\\000\\000\\000'; exit 0")] // half
    [InlineData("head -c12 >/dev/null; printf '\\200\\001\\377\\377\\377\\377\\000\\000\\000\\000'; exit 0")] // huge
    [InlineData("head -c12 >/dev/null; printf '\\200\\001\\000\\000\\000\\000\\000\\000\\000\\000'; exit 0")] // empty
    public void A_TCTI_that_gives_no_response_loses_the_command_and_nothing_else(string script)
    {
        using ITpmTransport transport = Played(script);
        TransmitResult result = TpmClient.TryGetRandom(transport, TpmClient.Patience);
        Assert.Equal(TransmitStatus.Disconnected, result.Status);
        Assert.Contains("the TCTI \"cmd:", result.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tcti:nonsense:x", "\"nonsense:x\" does not start")]
    [InlineData("tcti:mssim:port=http", "\"mssim:port=http\" does not start")]
    [InlineData("tcti:swtpm:path=/nonexistent", "does not start: an input/output error")]
    public void A_TCTI_that_does_not_start_is_named_with_the_reason(string spec, string hint)
    {
        using ITpmTransport transport = TestTransport.Create(spec);
        Assert.False(transport.TryConnect(s_short, out string problem));
        Assert.Contains(hint, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Codes_are_told_in_words_where_they_are_known()
    {
        Assert.Equal("no connection (0xA0008)", TctiRc.Describe(0xA0008));
        Assert.Equal("TSS2_RC 0xA00FF", TctiRc.Describe(0xA00FF));
        Assert.Equal("TSS2_RC 0x101", TctiRc.Describe(0x101));
    }

    /// <summary>The TCTI of native/odd_tcti.c, which the letters make odd.</summary>
    private ITpmTransport Odd(string letters, string name = "odd.so")
    {
        string library = _folder.File(name);
        string source = Path.Combine(AppContext.BaseDirectory, "native", "odd_tcti.c");
        Assert.Empty(Swtpm.Run("gcc", ["-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source]));
        ITpmTransport transport = TestTransport.Create($"tcti:{library}:{letters}");
        TpmClient.Connect(transport);
        return transport;
    }

    /// <summary>A TCTI that sh(1) plays: it reads commands on its input and writes responses to its output.</summary>
    private ITpmTransport Played(string script)
    {
        string file = _folder.File("tcti.sh");
        File.WriteAllText(file, script);
        ITpmTransport transport = TestTransport.Create($"tcti:cmd:sh {file}");
        TpmClient.Connect(transport);
        return transport;
    }
}
